"""Strategies: personal numbers with right checks, harmless numbers, and sentences around them."""

import datetime
from typing import NamedTuple

import phonenumbers
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.cn import ric


class Personal(NamedTuple):
    """A number as someone might write it, its bare characters, and the kind it is masked as."""

    written: str
    bare: str
    kind: str


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


def grouped(draw: st.DrawFn, number: str, shapes: list[tuple[int, ...]]) -> str:
    """Cut `number` into one of the shapes, each gap with a separator of its own."""
    parts, rest = [], number
    for size in draw(st.sampled_from(shapes)):
        parts.append(rest[:size])
        rest = rest[size:]
    written = parts[0]
    for part in [*parts[1:], rest]:
        if part:
            written += draw(st.sampled_from([" ", "-", " - ", "–", "_"])) + part
    return written


@st.composite
def mobiles(draw: st.DrawFn) -> Personal:
    number = "1" + draw(st.sampled_from("3456789")) + draw(digits(9))
    prefix = draw(st.sampled_from(["", "", "+86", "+86 ", "+86-", "86 ", "0086 ", "(+86)"]))
    shapes = [(11,), (11,), (3, 4, 4), (3, 8), (7, 4), (3, 3, 5), (1,) * 11]
    return Personal(prefix + grouped(draw, number, shapes), number, "PHONE")


@st.composite
def landlines(draw: st.DrawFn) -> Personal:
    region = draw(st.sampled_from(["CN", "US", "GB", "DE", "JP", "FR", "IN", "BR", "AU", "HK"]))
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.FIXED_LINE)
    assert number is not None
    formats = [phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164]
    if region in ("CN", "US"):
        formats.append(phonenumbers.PhoneNumberFormat.NATIONAL)
    written = phonenumbers.format_number(number, draw(st.sampled_from(formats)))
    return Personal(written, str(number.national_number), "PHONE")


@st.composite
def identities(draw: st.DrawFn) -> Personal:
    birth = draw(st.dates(datetime.date(1900, 1, 1), datetime.date(2025, 12, 31)))
    number = draw(st.sampled_from("123456")) + draw(digits(5)) + f"{birth:%Y%m%d}" + draw(digits(3))
    number += ric.calc_check_digit(number + "0")
    written = grouped(draw, number, [(18,), (18,), (6, 8, 4), (6, 4, 4, 4), (3, 3, 8, 4)])
    return Personal(draw(st.sampled_from([written, written.lower()])), number, "ID")


@st.composite
def cards(draw: st.DrawFn) -> Personal:
    count = draw(st.integers(12, 18))
    number = draw(st.sampled_from("3456")) + draw(digits(count - 1))
    number += luhn.calc_check_digit(number)
    if len(set(number)) == 1:  # repeated digits are laughter, not a card
        number = "4111111111111111"
    fours = (4,) * ((len(number) - 1) // 4)
    return Personal(grouped(draw, number, [(19,), fours]), number, "CARD")


@st.composite
def emails(draw: st.DrawFn) -> Personal:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    word = st.text(letters, min_size=1, max_size=12)
    local = draw(word) + draw(st.sampled_from(["", ".", "_", "+", "-"])) + draw(word)
    domain = draw(word) + draw(st.sampled_from([".com", ".cn", ".com.cn", ".co.uk", ".museum"]))
    return Personal(f"{local}@{domain}", f"{local}@{domain}", "EMAIL")


PERSONAL = st.one_of(mobiles(), landlines(), identities(), cards(), emails())

# E-mail addresses need a border on their left; all else may touch letters of either script.
BEFORE = [
    "",
    "电话",
    "请打我的手机号",
    "质量很好，联系：",
    "号码是",
    "call me at ",
    "my number: ",
    "（",
]
AFTER = ["", "谢谢", "，别再打了！", "有事找我", " thanks", ", please", "。", "）", "\n五星"]
GLUED = ["tel", "Phone:", "微信", "a"]


@st.composite
def prices(draw: st.DrawFn) -> str:
    amount = draw(st.integers(1, 9_999_999))
    cents = draw(st.integers(0, 99))
    return draw(
        st.sampled_from(
            [
                f"¥{amount}",
                f"¥{amount}.{cents:02}",
                f"${amount:,}.{cents:02}",
                f"{amount}元",
                f"{amount}.{cents:02} yuan",
                f"{amount}块{cents}",
                f"RMB {amount}.00",
            ]
        )
    )


@st.composite
def sizes(draw: st.DrawFn) -> str:
    a, b, c = (draw(st.integers(1, 9999)) for _ in range(3))
    return draw(
        st.sampled_from(
            [
                f"{a}x{b}",
                f"{a}*{b}*{c} mm",
                f"{a}×{b}cm",
                f"{a}码",
                f"{a * 100} mAh",
                f"{a}GB",
                f"{a % 60}.{b % 10}寸",
                "38 39 40 41 42 43 44",
                "150-160-170",
                f"iPhone {a % 20} Pro",
                f"RTX {a}",
            ]
        )
    )


@st.composite
def dates(draw: st.DrawFn) -> str:
    when = draw(st.datetimes(datetime.datetime(1980, 1, 1), datetime.datetime(2040, 1, 1)))
    form = draw(
        st.sampled_from(
            [
                "%Y-%m-%d",
                "%Y-%m-%d %H:%M:%S",
                "%Y.%m.%d",
                "%Y/%m/%d %H:%M",
                "%Y%m%d",
                "%Y%m%d%H%M%S",
                "%d-%m-%Y",
                "%m/%d/%Y",
                "%H:%M",
                "%Y年%m月%d日",
                "%Y-%m-%dT%H:%M:%SZ",
            ]
        )
    )
    return when.strftime(form)


@st.composite
def ratings(draw: st.DrawFn) -> str:
    stars = draw(st.integers(1, 5))
    return draw(
        st.sampled_from(
            [f"{stars} stars", f"{stars}星", f"{stars}/5", f"{stars}.5", "★" * stars, "*" * stars]
        )
    )


HARMLESS = st.one_of(prices(), sizes(), dates(), ratings())
