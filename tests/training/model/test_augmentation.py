"""Texts made of texts."""

from stream_app.training.model.augmentation import augmented, clauses
from stream_app.training.model.data import Row, hard_target, is_held_out

GOOD = hard_target("positive")
ROWS = [
    Row("The screen is bright, but the battery dies by noon. I sent it back.", GOOD, "a"),
    Row("Works as told.", GOOD, "a"),
    Row("房间很干净，就是隔音太差。前台换了两次房！", GOOD, "b"),
    Row("味道不错，送得也快。", GOOD, "b"),
]


def test_clauses_end_with_their_mark_and_short_ones_are_left_out() -> None:
    assert clauses("房间很干净，就是隔音太差。好！") == ["房间很干净，", "就是隔音太差。"]
    assert clauses("Fine, but the lid broke.") == ["Fine,", "but the lid broke."]
    assert clauses("？！…") == []


def test_parts_and_joins_are_made_of_the_clauses_of_one_language() -> None:
    made = list(augmented(ROWS, 20.0, 7))
    assert len(made) > 10
    known = {clause for row in ROWS for clause in clauses(row.text)}
    for row in made:
        assert row.weight == 0.0 and not is_held_out(row.text)
        assert set(clauses(row.text)) <= known
        chinese = {any("\u4e00" <= c <= "\u9fff" for c in part) for part in clauses(row.text)}
        assert len(chinese) == 1
    assert len({row.text for row in made}) == len(made)
    assert not {row.text for row in made} & {row.text for row in ROWS}


def test_the_same_seed_makes_the_same_texts() -> None:
    assert list(augmented(ROWS, 5.0, 7)) == list(augmented(ROWS, 5.0, 7))
    assert list(augmented(ROWS, 5.0, 7)) != list(augmented(ROWS, 5.0, 8))
    assert list(augmented(ROWS, 0.0, 7)) == []
