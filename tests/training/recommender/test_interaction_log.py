"""Reading interactions: columns of several data sets, one order."""

import gzip
from pathlib import Path

import pytest

from stream_app.training.recommender.log import Interaction, LogError, log_of, read


def test_equal_times_are_ordered_by_user_then_item() -> None:
    rows = [("10", "2"), ("9", "11"), ("9", "2"), ("b", "1")]
    log = log_of(Interaction(5.0, user, item) for user, item in reversed(rows))
    assert [(i.user, i.item) for i in log.interactions] == [
        ("9", "2"), ("9", "11"), ("10", "2"), ("b", "1"),
    ]  # fmt: skip
    assert log.users == ["9", "10", "b"]
    assert [log.items[n] for n in log.item] == ["2", "11", "2", "1"]


def test_four_stars_and_no_stars_are_positive() -> None:
    stars = [3.5, 4.0, None]
    log = log_of(Interaction(float(n), "u", str(n), s) for n, s in enumerate(stars))
    assert log.positive.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", "userId,movieId,rating,timestamp\n1,7,4.5,100\n"),
        ("a.tsv", "user_id\titem_id\tstars\ttime\n1\t7\t4.5\t1970-01-01T00:01:40+00:00\n"),
        (
            "a.json.gz",
            '{"reviewerID": "1", "asin": "7", "overall": 4.5, "unixReviewTime": 100,'
            ' "reviewText": "good"}\n',
        ),
    ],
)
def test_columns_of_known_data_sets(tmp_path: Path, name: str, body: str) -> None:
    file = tmp_path / name
    file.write_bytes(gzip.compress(body.encode()) if name.endswith(".gz") else body.encode())
    (one,) = read(file).interactions
    assert (one.user, one.item, one.stars, one.time) == ("1", "7", 4.5, 100.0)
    assert one.text == ("good" if "json" in name else "")


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.csv", "user_id,time\n1,2\n", "row 1: 'no item: looked for item_id"),
        ("a.csv", "user_id,item_id,time\n1,2,soon\n", "row 1: Invalid isoformat"),
        ("a.csv", "user_id,item_id,time\n", "no interactions"),
        ("a.jsonl", "{broken\n", "a.jsonl: Expecting property name"),
        ("a.parquet", "", "want .csv, .tsv"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, body: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(body)
    with pytest.raises(LogError, match=message):
        read(file)
