"""The page's texts: both languages say the same things, and nothing is left over."""

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import stream_app
from stream_app.dashboard.texts import TEXTS, Words, rate, seconds, signed
from stream_app.recommend import policy
from stream_app.schemas.records import AlertKind, Sentiment

SOURCES = sorted((Path(stream_app.__file__).parent / "dashboard").rglob("*.py"))
# Named by what they are of, not in full.
MADE = {
    "theme_auto", "theme_light", "theme_dark", "rate_analyses", "rate_recommendations",
    *(f"sentiment_{sentiment}" for sentiment in get_args(Sentiment)),
    *(f"kind_{kind}" for kind in get_args(AlertKind)),
    *(f"rule_{rule}" for rule in policy.OUT if rule),
    *(f"col_{name}" for name in ("subject", "reviews", "before", "now", "popularity")),
    "day", "week", "acknowledge_what", "reopen_what",
}  # fmt: skip


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_are_whole_and_tell_the_same_values() -> None:
    for key, (en, zh) in TEXTS.items():
        assert en.strip() and zh.strip(), key
        assert names(en) == names(zh), key
        assert re.search(r"[\u4e00-\u9fff]", zh) or key == "other_language", key


def test_every_text_is_used_and_every_rule_has_one() -> None:
    source = "".join(p.read_text(encoding="utf-8") for p in SOURCES if p.name != "texts.py")
    assert TEXTS.keys() >= MADE
    used = set(re.findall(r"""["'](\w+)["']""", source)) | MADE
    assert TEXTS.keys() - used == set()
    assert Words("zh").rule("disliked") == "不喜欢"
    assert Words("zh").rule("of tomorrow") == "of tomorrow"
    assert Words("zh").kind("severe") != Words("zh").kind("of tomorrow") == "of tomorrow"


def test_units() -> None:
    assert [seconds(s) for s in (0.0849, 1.26, 240.0)] == ["85 ms", "1.3 s", "4 min"]
    assert [rate(r) for r in (0.0, 0.14, 1234.5)] == ["0", "0.1", "1,234"]
    assert [signed(i) for i in (-0.95, 0.5)] == ["−0.95", "+0.50"]
