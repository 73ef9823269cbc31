import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from stream_app.inference.measures import calibration_error, f1_scores, fit_temperature, softmax
from stream_app.training.model import data
from stream_app.training.model.centring import is_chinese, polarity, shared_part
from stream_app.training.model.labelled import read, unseen


def row(text: str, label: str, source: str = "x") -> data.Row:
    return data.Row(text, data.hard_target(label), source)


def test_a_score_shades_from_neutral_to_polar() -> None:
    assert data.score_target(0.1) == (0.0, 1.0, 0.0)
    assert data.score_target(-3.0) == (1.0, 0.0, 0.0)
    assert data.score_target(0.7) == pytest.approx((0.0, 0.5, 0.5))


def test_duplicates_go_and_opposed_labels_go_altogether() -> None:
    rows = [
        row("Good!", "positive"),
        row("good", "positive"),
        row("Odd", "positive"),
        row("odd.", "negative"),
        row("...", "neutral"),
    ]
    assert [r.text for r in data.deduplicate(rows)] == ["Good!"]


def test_excluded_texts_and_those_that_contain_them_go() -> None:
    phrase = "a thoroughly unhurried and gentle film"
    rows = [
        row(f"It is {phrase}, they say", "positive"),
        row("good", "positive"),
        row("b", "neutral"),
    ]
    assert [r.text for r in data.without(rows, [phrase, "Good"])] == ["b"]


def test_the_split_stays_put_and_is_disjoint() -> None:
    rows = [row(f"text {n}", "neutral") for n in range(2000)]
    train, held_out = data.split(rows)
    assert 60 < len(held_out) < 140
    assert {r.text for r in train}.isdisjoint(r.text for r in held_out)
    assert [r.text for r in data.split(rows[::-1])[1]] == [r.text for r in held_out[::-1]]


def test_snippets_are_read_out_of_the_nested_archive(tmp_path: Path) -> None:
    def pack(name: str, body: bytes) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        return stream.getvalue()

    inner = pack("hutto/tweets_GroundTruth.txt", b"1\t2.5\tlovely day\n2\tbroken line\n")
    file = tmp_path / "package.tar.gz"
    file.write_bytes(pack("package/hutto_ICWSM_2014.tar.gz", inner))
    (read,) = data.vader_rows(file)
    assert (read.text, read.label, read.source) == ("lovely day", 2, "vader-tweets")
    file.write_bytes(pack("package/other.txt", b""))
    with pytest.raises(FileNotFoundError, match="hutto_ICWSM"):
        list(data.vader_rows(file))


def test_the_projects_examples_cover_both_languages_and_all_labels() -> None:
    rows = list(data.example_rows())
    assert {(r.source, r.label) for r in rows} == {
        (f"examples-{language}", label) for language in ("en", "zh") for label in range(3)
    }


def test_labelled_files_are_read_in_three_formats(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label,review\n1,好\n0,差\n", encoding="utf-8")
    (tmp_path / "a.tsv").write_text('sentence\tlabel\nfine "thing\t1\n', encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "so", "label": "neutral"}\n', encoding="utf-8")
    assert read(tmp_path / "a.csv") == [("好", "positive"), ("差", "negative")]
    assert read(tmp_path / "a.tsv") == [('fine "thing', "positive")]
    assert read(tmp_path / "a.jsonl") == [("so", "neutral")]
    assert unseen([("Fine", "positive"), ("new", "positive")], ["it is fine."]) == [
        ("new", "positive")
    ]


def test_the_shared_part_holds_mean_and_language() -> None:
    rng = np.random.default_rng(1)
    chinese = np.arange(400) % 4 == 0
    means = rng.normal(size=(400, 8)).astype(np.float32)
    means[chinese, 0] += 5
    means[~chinese, 0] -= 5
    centre, directions = shared_part(means, chinese)
    assert np.allclose(directions @ directions.T, np.eye(2), atol=1e-5)
    own = (means - centre) - (means - centre) @ directions.T @ directions
    assert np.allclose(own[chinese].mean(axis=0), own[~chinese].mean(axis=0), atol=0.2)
    assert shared_part(means[chinese], np.ones(100, bool))[1].shape == (1, 8)
    assert is_chinese("ok 好") and not is_chinese("ok")


def test_measures() -> None:
    labels = np.array([0, 1, 2, 2])
    assert f1_scores(np.array([0, 1, 2, 2]), labels) == [1, 1, 1]
    assert f1_scores(np.array([0, 0, 0, 0]), labels) == [pytest.approx(0.4), 0, 0]
    sure = np.eye(3, dtype=np.float32)[labels]
    assert calibration_error(sure, labels) == 0
    # A tenth of the labels contradict overconfident logits: the temperature must rise.
    logits = np.tile(np.array([[8.0, 0.0, 0.0]], np.float32), (100, 1))
    assert fit_temperature(logits, np.repeat([0, 1], [90, 10])) > 2
    assert softmax(logits).sum(axis=1) == pytest.approx(np.ones(100))


def test_stars_and_columns_of_any_name_are_read(tmp_path: Path) -> None:
    file = tmp_path / "stars.csv"
    file.write_text("body,rating\n好,5\n还行,3.0\n差,1\n", encoding="utf-8")
    assert read(file, "body", "rating") == [
        ("好", "positive"),
        ("还行", "neutral"),
        ("差", "negative"),
    ]
    with pytest.raises(ValueError, match="row 1 has no text"):
        read(file)
    with pytest.raises(ValueError, match="row 1 has no label"):
        read(file, "body")


@pytest.mark.parametrize("label", ["7", "great", "-1"])
def test_a_label_of_no_scale_is_refused(tmp_path: Path, label: str) -> None:
    file = tmp_path / "odd.csv"
    file.write_text(f"text,label\ngood,{label}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.csv"):
        read(file)


def test_what_tells_praise_from_complaint_is_taken_out_in_both_languages() -> None:
    rng = np.random.default_rng(2)
    means = rng.normal(size=(600, 8)).astype(np.float32)
    chinese = np.arange(600) % 2 == 0
    labels = rng.integers(0, 3, 600)
    means[:, 5] += 3 * (labels - 1)
    means[chinese, 6] += 2 * (labels[chinese] - 1)
    centre, directions = shared_part(means, chinese)
    apart = polarity(means, labels, chinese, centre, directions)
    both = np.concatenate([directions, apart])
    assert np.allclose(both @ both.T, np.eye(4), atol=1e-5)
    own = means - centre
    own -= own @ both.T @ both
    for group in (chinese, ~chinese):
        praise, complaint = (group & (labels == label) for label in (2, 0))
        assert np.linalg.norm(means[praise].mean(axis=0) - means[complaint].mean(axis=0)) > 5
        assert np.linalg.norm(own[praise].mean(axis=0) - own[complaint].mean(axis=0)) < 0.5
    one_kind = polarity(means, np.full(600, 2), chinese, centre, directions)
    assert one_kind.shape == (0, 8)
