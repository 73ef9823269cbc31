"""Personal numbers in running text: phones, Chinese identity numbers, bank cards.

Numbers are looked for in chains: groups of digits with short separators between them, such as
`138-0013 8000`. A candidate always covers whole groups, so a longer number is never cut; whether
it is accepted depends on the chain alone and the few characters around it, never on the rest.
"""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

import phonenumbers
from stdnum.cn import ric

PHONE: Final = "PHONE"
IDENTITY: Final = "ID"
CARD: Final = "CARD"


class Span(NamedTuple):
    """Where something to mask stands; `rank` says how sure its kind is.

    0: a profile's rule or an e-mail address, 1: a number with its own check or shape, 2: a number
    `phonenumbers` knows, 3: digits that pass a check in unusual groups.
    """

    start: int
    end: int
    kind: str
    rank: int


_KEYCAP: Final = "\ufe0f\u20e3"  # what makes an emoji of a digit: 1️⃣3️⃣8️⃣
_SEPARATOR: Final = rf"[ \-‐‑‒–—―−._·()（）{_KEYCAP}]"
_CHAIN: Final = re.compile(rf"[0-9](?:{_SEPARATOR}{{0,3}}[0-9]){{6,}}")
_GROUP: Final = re.compile("[0-9]+")
_MOST_DIGITS: Final = 19

_MOBILE: Final = re.compile(r"(?:(?:00)?86)?1[3-9]\d{9}")
# Shapes worth asking `phonenumbers` about: with an area code, free of charge, North American.
_CHINESE: Final = re.compile(r"(?:0[1-9]\d{8,10}|[48]00\d{7})")
_AMERICAN: Final = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")
_AMERICAN_SHAPES: Final = frozenset(
    [(10,), (11,), (3, 7), (3, 3, 4), (1, 10), (1, 3, 7), (1, 3, 3, 4), (4, 3, 4), (6, 4)]
)
_FREE_SHAPES: Final = frozenset([(10,), (3, 7), (3, 3, 4), (3, 4, 3), (4, 3, 3), (4, 6)])
_CARD_SHAPES: Final = frozenset([(4, 6, 5), (4, 6, 4), (6, 13), (6, 10), (8, 8), (8, 8, 3)])

_CENTURIES: Final = ("18", "19", "20")
_NONE: Final[Set[int]] = frozenset()
_IDENTITY: Final[Set[int]] = frozenset((17, 18))
_ABROAD: Final[Set[int]] = frozenset(range(9, 18))


_PAIRS: Final = [f"{number:02}" for number in range(100)]
# How many digits a phone number of the shapes above may have that begins with these two, however
# they are grouped, and where there are four groups at most.
_LENGTHS: Final[dict[str, Set[int]]] = {
    "00": {15},
    "86": {13},
    **{pair: {10, 11, 12} for pair in _PAIRS if pair[0] == "0" != pair[1]},
    **{pair: {11} for pair in _PAIRS if "13" <= pair <= "19"},
}
_FEW: Final[dict[str, Set[int]]] = {
    **{pair: {10} for pair in _PAIRS if pair >= "20"},
    **{pair: {11} for pair in _PAIRS if "12" <= pair <= "19"},
}

_PLUS_BEFORE: Final = re.compile(r"\+[ (（]?\Z")
_MONEY_BEFORE: Final = re.compile(r"[¥￥$€£] ?\Z")
_UNIT_AFTER: Final = re.compile(r"(?:元|块钱|%|mAh)", re.I)
_CHECK_LETTER: Final = re.compile(r"[ -]?[Xx](?![A-Za-z0-9])")
_TIMESTAMP: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
)
_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
_LAUGHTER: Final = re.compile(r"(\d)\1*|23+")  # 666666, 233333

# Parsing costs tens of microseconds: beyond this many per text the shape alone decides.
_MOST_PARSES: Final = 64


@dataclass(slots=True)
class Budget:
    """How often `phonenumbers` may still be asked for one text."""

    parses: int = _MOST_PARSES

    def is_valid(self, number: str, region: str | None) -> bool:
        """Whether `number` is assigned; assumed once the budget is spent."""
        if self.parses <= 0:
            return True
        self.parses -= 1
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
        except phonenumbers.NumberParseException:
            return False


def find_numbers(text: str, budget: Budget) -> Iterator[Span]:
    """Yield all candidates in `text`, overlapping ones included."""
    for chain in _CHAIN.finditer(text):
        yield from _in_chain(text, chain.start(), chain.end(), budget)


def _in_chain(text: str, start: int, end: int, budget: Budget) -> Iterator[Span]:
    groups = [m.span() for m in _GROUP.finditer(text, start, end)]
    sizes = [b - a for a, b in groups]
    # Of each group but the first: what stands before it.
    gaps = ["", *(text[a:b] for (_, a), (b, _) in pairwise(groups))]
    opened = ["(" in gap or "（" in gap for gap in gaps]
    dots = ["." in gap for gap in gaps]
    dates = _date_starts(text, groups)
    digits = "".join(text[a:b] for a, b in groups)
    offset = 0
    for i, size in enumerate(sizes):
        plus = i == 0 and _PLUS_BEFORE.search(text, max(0, start - 2), start) is not None
        zero = digits[offset] == "0"
        lengths = _lengths(digits[offset : offset + 8], size)
        few = _FEW.get(digits[offset : offset + 2], _NONE)
        card = digits[offset] in "3456"
        total = 0
        dotted = spaced = dated = False
        long = single = True  # all groups but the last: four digits and more, one digit
        for j in range(i, len(groups)):
            if j > i:
                # Brackets open after a country code at most: "1799 (1999-200)" is arithmetic.
                if opened[j] and total > 3 and not zero:
                    break
                dotted, spaced = dotted or dots[j], spaced or not dots[j]
                dated = dated or (j - 2 in dates and j - 2 >= i)
                long, single = long and sizes[j - 1] >= 4, single and sizes[j - 1] == 1
            total += sizes[j]
            # Dots on some gaps only are decimals: "1299.00 1399.00".
            if total > _MOST_DIGITS or (dotted and spaced):
                break
            if (
                total < 7
                or not (
                    plus
                    or total in lengths
                    or (j - i < 4 and total in few)
                    # A card is in groups of four and more before the last, or in single digits.
                    or (
                        total >= 13
                        and (long or (single and card and sizes[j] == 1 and total >= 16))
                        and _passes_luhn(digits[offset : offset + total])
                    )
                )
            ):
                continue
            window = _Window(
                text,
                groups[i][0],
                groups[j][1],
                digits[offset : offset + total],
                tuple(sizes[i : j + 1]),
                dated,
                plus,
            )
            if span := _classify(window, budget):
                yield span
        offset += size


def _lengths(head: str, size: int) -> Set[int]:
    """How many digits a phone or identity number may have that begins with the eight of `head`,
    `size` of them in the first group, in any number of groups."""
    lengths = _LENGTHS.get(head[:2], _NONE)
    if head[:2] == "00" and size >= 3:
        lengths = lengths | _ABROAD
    return lengths | _IDENTITY if head[6:] in _CENTURIES else lengths


def _date_starts(text: str, groups: list[tuple[int, int]]) -> set[int]:
    """Return the indices of the groups that begin a date written year, month, day."""
    starts = set()
    for i in range(len(groups) - 2):
        if groups[i][1] - groups[i][0] == 4:
            year, month, day = (int(text[a:b]) for a, b in groups[i : i + 3])
            if 1900 <= year < 2100 and 1 <= month <= 12 and 1 <= day <= 31:
                starts.add(i)
    return starts


class _Window(NamedTuple):
    """Neighbouring groups of one chain, read as one number."""

    text: str
    start: int
    end: int
    digits: str
    shape: tuple[int, ...]
    dated: bool  # a date stands in it
    plus: bool  # it is written with a leading plus

    def span(self, kind: str, rank: int, end: int | None = None) -> Span:
        start, text = self.start, self.text
        end = self.end if end is None else end
        while end < len(text) and text[end] in _KEYCAP:
            end += 1
        if self.plus:
            start = text.rindex("+", 0, start)
        elif start and text[start - 1] in "(（" and re.search("[)）]", text[start : self.end]):
            start -= 1
        return Span(start, end, kind, rank)


def _classify(window: _Window, budget: Budget) -> Span | None:
    """Name the number that the window holds, None if it is none."""
    digits = window.digits
    if len(digits) == 18 and _is_identity(digits):
        return window.span(IDENTITY, 1)
    if len(digits) == 17:
        letter = _CHECK_LETTER.match(window.text, window.end)
        if letter and _is_identity(digits + "X"):
            return window.span(IDENTITY, 1, letter.end())
    if window.dated or _is_list_of_years(window):
        return None
    if _MOBILE.fullmatch(digits):
        return window.span(PHONE, 1)
    if _is_phone(window, budget):
        return window.span(PHONE, 2)
    if (rank := _card_rank(window)) and _is_card(digits):
        return window.span(CARD, rank)
    return None


def _is_identity(number: str) -> bool:
    """Whether check digit (ISO 7064 MOD 11-2) and birth date are right.

    The county is not looked at, as `ric.validate` would: codes newer than its table would leak.
    """
    if number[6:8] not in _CENTURIES or ric.calc_check_digit(number) != number[-1]:
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return True


def _is_card(digits: str) -> bool:
    return (
        _passes_luhn(digits)
        and not _LAUGHTER.fullmatch(digits)
        and not _TIMESTAMP.fullmatch(digits)
    )


def _passes_luhn(digits: str) -> bool:
    """As `stdnum.luhn`, at a tenth of its cost: a long chain has thousands of candidates."""
    raw = digits.encode()
    total = sum(raw[::-2]) + sum(raw[-2::-2].translate(_DOUBLED))
    return (total - len(raw) * ord("0")) % 10 == 0


def _card_rank(window: _Window) -> int:
    """Return 1 if the digits are grouped as on cards, 3 if in a less usual way, 0 if not at all."""
    digits, shape = window.digits, window.shape
    if not 13 <= len(digits) <= 19:
        return 0
    if len(shape) == 1 or shape in _CARD_SHAPES:
        return 1
    if all(size == 4 for size in shape[:-1]) and shape[-1] <= 4:
        return 1
    # Unusual groups may be two numbers side by side: only if nothing else claims them.
    if all(size >= 4 for size in shape[:-1]):
        return 3
    return 3 if len(shape) == len(digits) >= 16 and digits[0] in "3456" else 0


def _is_list_of_years(window: _Window) -> bool:
    """Whether it starts with two years: "2019-2023 100", "2019 2020 2021 2022"."""
    return window.shape[:2] == (4, 4) and all(
        year[:2] in ("19", "20") for year in (window.digits[:4], window.digits[4:8])
    )


def _is_phone(window: _Window, budget: Budget) -> bool:
    digits, shape = window.digits, window.shape
    if not window.plus:
        if window.start and _MONEY_BEFORE.search(
            window.text, max(0, window.start - 2), window.start
        ):
            return False
        if _UNIT_AFTER.match(window.text, window.end):
            return False
    if window.plus:
        return len(digits) <= 15 and budget.is_valid("+" + digits, None)
    if digits.startswith("00") and shape[0] >= 3 and 9 <= len(digits) <= 17:
        return budget.is_valid("+" + digits[2:], None)
    if _CHINESE.fullmatch(digits) and (
        shape in _FREE_SHAPES if digits[0] != "0" else shape[0] >= 3 or len(shape) == len(digits)
    ):
        return budget.is_valid(digits, "CN")
    if _AMERICAN.fullmatch(digits) and shape in _AMERICAN_SHAPES:
        return budget.is_valid(digits, "US")
    return False
