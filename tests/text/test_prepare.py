import html
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.text.mask import Masker
from stream_app.text.prepare import prepare
from tests.text.personal import AFTER, BEFORE, HARMLESS, PERSONAL, Personal

MASKER = Masker()


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text)


HIDINGS: dict[str, Callable[[str], str]] = {
    "as written": str,
    "full width": full_width,
    "zero width": "\u200b".join,
    "bidi": "\u202e".join,
    "joiners": "\u200d".join,
    "variation selectors": "\ufe0f".join,
    "entities": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "escaped entities": lambda text: html.escape("".join(f"&#x{ord(c):x};" for c in text)),
    "tags": lambda text: "".join(f"<b>{c}</b>" for c in text),
    "comments": "<!-- -->".join,
}


@pytest.mark.parametrize("hiding", HIDINGS)
@settings(deadline=None, max_examples=60)
@given(st.sampled_from(BEFORE), PERSONAL, st.sampled_from(AFTER))
def test_hidden_numbers_are_masked(
    hiding: str, before: str, personal: Personal, after: str
) -> None:
    prepared = prepare(before + HIDINGS[hiding](personal.written) + after, MASKER)
    assert prepared.masked == {personal.kind: 1}
    assert f"[{personal.kind}]" in prepared.text


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(
        st.text(max_size=100),
        st.lists(
            st.one_of(
                PERSONAL.map(lambda p: p.written),
                HARMLESS,
                st.sampled_from(["<", ">", "&", "<b>", "http://", "www.", " ", "好", "!!", "["]),
            ),
            max_size=8,
        ).map("".join),
    )
)
def test_preparing_twice_changes_nothing(raw: str) -> None:
    once = prepare(raw, MASKER)
    assert prepare(once.text, MASKER) == (once.text, once.language, {})


def test_example() -> None:
    raw = "<p>质量差！！！！！！</p>打１３８-0013-8000，见 http://x.cn/1"
    assert prepare(raw, MASKER) == ("质量差！！！ 打[PHONE]，见 [URL]", "zh", {"PHONE": 1})


def test_text_may_come_out_empty() -> None:
    assert prepare("<br>&nbsp;\u200b", MASKER) == ("", "other", {})
