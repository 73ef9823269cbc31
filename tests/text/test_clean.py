import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.text.clean import clean
from tests.spending import within

FRAGMENTS = st.sampled_from(
    [
        *"<>&;/\"'=!#[]*1e好， ３＜＞＆\n\x00\u3000❤👩🏽🏴\U000e0067\U000e007f\ud800\u1100\u1161",
        *"\u0301\u0327\u200b\u200d\ufe0f\u20e3\u202e",
        *("--", "<b>", "</b>", "<p ", "<br/>", "<script>", "</script>", "<style>", "<!--", "-->"),
        *("<a href='", "&amp;", "&lt;", "&gt", "&#60;", "&#x3c", "&am", "p;", "&nbsp;", "lt;"),
        *("script", "x=", "。。", "！！", "http", "://", "www.", "t.cn/", "a.com", "[URL]", "🇨🇳"),
    ]
)
ANY_TEXT = st.one_of(
    st.text(max_size=100),
    st.text(st.characters(codec=None), max_size=60),
    st.lists(FRAGMENTS, max_size=40).map("".join),
)


@settings(deadline=None, max_examples=1500)
@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text)
    assert clean(once) == once


@settings(deadline=None, max_examples=500)
@given(ANY_TEXT)
def test_nothing_invisible_is_left(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()  # no lone surrogates
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()
    for at, character in enumerate(cleaned):
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cs", "Co", "Zl", "Zp")
        if character == "\u200d":
            assert 0 < at < len(cleaned) - 1


@settings(deadline=None, max_examples=300)
@given(st.text("abcXYZ 0123好评很差，。！？、：；,.!?:;'-", max_size=80))
def test_plain_text_keeps_its_words(text: str) -> None:
    words = [c for c in text if c.isalnum()]
    assert [c for c in clean(text) if c.isalnum()] == words


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a < b and 5<6, I <3 you", "a < b and 5<6, I <3 you"),
        ("x <b and c> y, price<budget", "x <b and c> y, price<budget"),
        ("<The Hobbit>很好看，《三体》也是", "<The Hobbit>很好看，《三体》也是"),
        ("<p>good</p><p>bad<br/>ok</p>", "good bad ok"),
        ("<b>13</b>8<i class='x>y'>0013</i>8000", "13800138000"),
        ("&lt;b&gt;bold&lt;/b&gt; &amp;amp;lt;i&amp;amp;gt;x", "bold x"),
        ("AT&amp;T, R&D, a&copy=2", "AT&T, R&D, a&copy=2"),
        ("a<script>if (a<b) alert('</p>')</script>b<style>p{}</style>c", "abc"),
        ("good<script>never closed", "good"),
        ("<!-- note -->kept", "kept"),
        ("<a href='http://x.cn/1' good", "good"),
        ("nice<img src=x onerror=alert(1)", "nice"),
        ("<div class=\"a>b\">text</div", "text</div"),
        ("看http://x.com/a?b=1&copy=2，好", "看[URL]，好"),
        ("HTTPS://X.CN/ www.a.com/b. t.cn/Ab9", "[URL] [URL]. [URL]"),
        ("amazon.com is fine, and/or 5/5", "amazon.com is fine, and/or 5/5"),
        ("１３８　ＡＢＣ（好）！，＠", "138 ABC（好）！，@"),
        ("𝟏𝟑𝟖 ٣ m² ①", "138 3 m² ①"),
        ("&#49;&#51&#x38;\u200b0\ufe0f0\u202e1", "138001"),
        ("棒!!!!!!好。。。。。。真?!?!?!?!?!", "棒!!!好。。。真?!?!?!"),
        ("★★★★★ ***** *********", "★★★★★ ***** *****"),
        ("e\u0301 Z\u0300\u0301\u0302\u0303\u0304", "é Z\u0300\u0301"),
        ("👨\u200d👩\u200d👧 a\u200db", "👨\u200d👩\u200d👧 ab"),
        ("❤\ufe0f 👍🏽 1\ufe0f\u20e3 🇨🇳", "❤\ufe0f 👍🏽 1\ufe0f\u20e3 🇨🇳"),
        ("  a\t\r\n b\x00c\u3000d  ", "a bc d"),
        ("[PHONE] [ID] [URL]", "[PHONE] [ID] [URL]"),
        ("", ""),
        ("<br>\u200b&nbsp;", ""),
    ],
)  # fmt: skip
def test_examples(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def hostile() -> dict[str, str]:
    draw = random.Random(7)
    pieces = [
        "<",
        "a",
        ">",
        "&",
        "lt;",
        '"',
        "'",
        "=",
        "/",
        "script ",
        "!--",
        "amp;",
        "#49",
        "www.",
    ]
    cases = {
        "nested tags": "<b>" * 3333,
        "formatting": "".join(f"<i x={i}><p>" for i in range(1000)),
        "divs": "<div>" * 2000,
        "scripts": "<script>" * 1250,
        "styles in svg": "<style><svg>" * 830,
        "templates": "<template>" * 1000,
        "comments": "<!--" * 2500,
        "open quotes": '<a x="' * 1600,
        "attributes": "<a " + "x=1 " * 2490,
        "angles": "<" * 10_000,
        "escaped angles": "&lt;" * 2500,
        "ampersands": "&amp;" * 2000,
        "nested escapes": "&" + "am&#112;" * 1200 + "lt;b>",
        "punctuation": "!" * 10_000,
        "pairs": "!?" * 5000,
        "schemes": "http://!" * 1250,
        "hosts": "www." * 2500,
        "dots": "a." * 4990 + "/",
        "dashes": "-" * 9999 + "/",
        "spaces": " " * 10_000,
        "marks": "a" + "\u0300" * 9999,
        "joiners": "👩\u200d" * 5000,
        "jamo": "\u1100\u1161\u11a8" * 3333,
        "almost plain": "a , " * 2499 + "&",
        "mixed": "".join(draw.choice(pieces) for _ in range(4000)),
    }
    return {name: text[:10_000] for name, text in cases.items()}


@pytest.mark.parametrize("name", hostile())
def test_hostile_text_takes_bounded_time(name: str) -> None:
    text = hostile()[name]
    within(0.1, lambda: clean(text))
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
