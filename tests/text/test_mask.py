import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn

from stream_app.text.mask import Masker, MaskRule
from stream_app.text.numbers import _passes_luhn
from tests.spending import within
from tests.text.personal import AFTER, BEFORE, GLUED, HARMLESS, PERSONAL, Personal

MASKER = Masker()
PROFILE = Masker(
    [
        MaskRule("ORDER", r"(?:订单号?|order)[:： #]*(\d{8,24})"),
        MaskRule("PASSPORT", r"\b[EG]\d{8}\b"),
    ]
)


def bare(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z@.]", "", text).lower()


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(BEFORE + GLUED), PERSONAL, st.sampled_from(AFTER))
def test_no_personal_number_passes(before: str, personal: Personal, after: str) -> None:
    masked = MASKER.mask(before + personal.written + after)
    assert masked.counts == {personal.kind: 1}
    assert f"[{personal.kind}]" in masked.text
    if personal.kind != "EMAIL":
        assert not re.search(r"\d", masked.text)
    assert "@" not in masked.text


@settings(deadline=None, max_examples=200)
@given(
    st.lists(PERSONAL, min_size=2, max_size=4), st.sampled_from(["，", " 和 ", " or ", "/", "；"])
)
def test_several_numbers_in_one_text(several: list[Personal], joint: str) -> None:
    text = joint.join(p.written for p in several)
    # An address ends where another begins; "a/b@c.de" would be one.
    masked = MASKER.mask(text if joint != "/" else text.replace("/", " / "))
    for personal in several:
        assert bare(personal.bare) not in bare(masked.text)
    assert sum(masked.counts.values()) == len(several)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(HARMLESS, min_size=1, max_size=4), st.sampled_from(["，", ", ", " and ", "和", "；"])
)
def test_prices_sizes_dates_and_ratings_stay(harmless: list[str], joint: str) -> None:
    text = f"很好{joint}{joint.join(harmless)}{joint}ok"
    assert MASKER.mask(text) == (text, {})


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text(max_size=120),
        st.text("0123456789 -.+()@aX86", max_size=200),
        st.lists(st.one_of(PERSONAL.map(lambda p: p.written), HARMLESS), max_size=6).map("".join),
        st.lists(st.one_of(PERSONAL.map(lambda p: p.written), HARMLESS), max_size=6).map(" ".join),
    )
)
def test_masking_twice_changes_nothing(text: str) -> None:
    for masker in (MASKER, PROFILE):
        once = masker.mask(text)
        assert masker.mask(once.text) == (once.text, {})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("打13800138000吧", "打[PHONE]吧"),
        ("138-0013-8000 or +86 138 0013 8000", "[PHONE] or [PHONE]"),
        ("1.13800138000", "1.[PHONE]"),
        ("1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣。", "[PHONE]。"),
        ("call (650) 253-0000 now", "call [PHONE] now"),
        ("（010）62345678转801", "[PHONE]转801"),
        ("400-820-8820", "[PHONE]"),
        ("+44 20 7031 3000", "[PHONE]"),
        ("身份证11010519491231002x。", "身份证[ID]。"),
        ("卡号6222 0212 3456 7890 128", "卡号[CARD]"),
        ("3782 822463 10005", "[CARD]"),
        ("abc@qq.com谢谢 a.b+c@x.co.uk.", "[EMAIL]谢谢 [EMAIL]."),
        ("13800138000@qq.com", "[EMAIL]"),
        ("[PHONE]13800138000[URL]", "[PHONE][PHONE][URL]"),
    ],
)
def test_examples(text: str, masked: str) -> None:
    assert MASKER.mask(text).text == masked


@pytest.mark.parametrize(
    "text",
    [
        "iPhone 15 Pro, 1280x720, 2024-05-06, ¥1299.00, 5 stars, 100000 mAh",
        "38 39 40 41 42 43 44 45",
        "1299.00 1399.00 1499.00",
        "2019-2023 100",
        "1799（1999-200）",
        "2024-05-06 12:30:45 和 20240506123045",
        "66666666666666666 2333333333333333",
        "运单 123456789012345678901234",
        "6222021234567890127",  # no check confirms it
        "a @ b, 5@3.5元",
        "",
    ],
)
def test_left_alone(text: str) -> None:
    assert MASKER.mask(text) == (text, {})


def test_rules_of_a_profile() -> None:
    masked = PROFILE.mask("订单号：2024050612345678，护照E12345678，手机13800138000")
    assert masked.text == "订单号：[ORDER]，护照[PASSPORT]，手机[PHONE]"
    assert masked.counts == {"ORDER": 1, "PASSPORT": 1, "PHONE": 1}


def test_the_longest_candidate_wins() -> None:
    masker = Masker([MaskRule("ORDER", r"\d{8}"), MaskRule("PARCEL", r"SF\d+")])
    assert masker.mask("13800138000").text == "[PHONE]"
    assert masker.mask("SF13800138000").text == "[PARCEL]"
    assert masker.mask("12345678").text == "[ORDER]"


def test_a_rule_may_match_nothing_or_a_placeholder() -> None:
    masker = Masker([MaskRule("WORD", r"\[?[A-Z]*\]?")])
    once = masker.mask("A 13800138000 B")
    assert once.text == "[WORD] [PHONE] [WORD]"
    assert masker.mask(once.text) == (once.text, {})


@pytest.mark.parametrize(
    "rule", [MaskRule("order", r"\d"), MaskRule("A B", "x"), MaskRule("A", "(")]
)
def test_unusable_rules_are_refused(rule: MaskRule) -> None:
    with pytest.raises(ValueError, match="mask rule"):
        Masker([rule])


def hostile() -> dict[str, str]:
    draw = random.Random(7)
    number = draw.randrange
    return {
        "single digits": "1 " * 5000,
        "zeros": "0 " * 5000,
        "international": "".join(f"0086 {number(10**4):04} " for _ in range(1000)),
        "plus": "".join(f"+{number(10**11)} " for _ in range(900)),
        "free": "".join(f"400{number(10**7):07} " for _ in range(900)),
        "groups": "".join(f"{number(10**4):04} " for _ in range(2000)),
        "random": "".join(draw.choice("0123456789 -.()") for _ in range(10_000)),
        "cards of single digits": "4 3 3 " * 1666,
        "keycaps": "3\ufe0f\u20e34\ufe0f\u20e33\ufe0f\u20e3" * 1111,
        "landlines of single digits": "0)2)" * 2500,
        "one run": "1" * 10_000,
        "at": "a@" * 5000,
        "no domain": "a@a" + ".1" * 4990,
        "long local part": "a" * 9999 + "@",
        "brackets": "[AA" * 3333,
        "placeholders": "[A]1" * 2500,
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_text_takes_bounded_time(name: str) -> None:
    text = hostile()[name]
    within(0.25, lambda: MASKER.mask(text))


@given(st.text("0123456789", min_size=1, max_size=40))
def test_the_check_of_cards_is_luhn(number: str) -> None:
    assert _passes_luhn(number) == luhn.is_valid(number)
