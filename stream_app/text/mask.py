"""Masking: personal data gives way to typed placeholders such as `[PHONE]` and `[ID]`.

Masking follows cleaning, which has by then undone full-width digits, entities and invisible
characters. In doubt it masks. What it leaves on purpose: numbers of 15 and more digits that no
check confirms (orders, parcels: for a profile's rules), seven or eight digits without an area code,
numbers spelled out in words, and anything inside a longer run of digits.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from stream_app.text.numbers import Budget, Span, find_numbers

EMAIL: Final = "EMAIL"

_KIND: Final = re.compile(r"[A-Z][A-Z_]*")
_PLACEHOLDER: Final = re.compile(r"(\[[A-Z][A-Z_]*\])")
# Local part as in RFC 5322 (dot-atom), domain as in RFC 1035. The look-behind and the possessive
# quantifiers keep it linear.
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9!#$%&'*+/=?^_`{|}~.-])[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]++"
    r"@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*\.[A-Za-z][A-Za-z0-9-]++"
)


@dataclass(frozen=True, slots=True)
class MaskRule:
    """A profile's own kind of number.

    kind: upper-case letters and underscores, such as ORDER or PASSPORT.
    pattern: a regular expression; its first group is masked, or all of it if it has none. It sees
        cleaned text and is compiled with `re.ASCII`: `\\b` parts a Chinese character and a letter.
    """

    kind: str
    pattern: str


class Masked(NamedTuple):
    """The text with placeholders, and how often each kind was masked."""

    text: str
    counts: dict[str, int]


class Masker:
    """Masks e-mail addresses, phones, identity numbers, cards and what the rules of a profile name.

    Raises ValueError for a rule whose kind or pattern cannot be used. Safe to share among threads.
    """

    def __init__(self, rules: Sequence[MaskRule] = ()) -> None:
        self._rules = [(rule.kind, _compile(rule)) for rule in rules]

    def mask(self, text: str) -> Masked:
        """Return `text` with personal data replaced. Idempotent: placeholders are left alone.

        Of overlapping candidates the longest wins, then the surest kind, then the leftmost.
        """
        counts: dict[str, int] = {}
        budget = Budget()
        if "[" not in text:
            return Masked(self._mask_piece(text, counts, budget), counts)
        pieces = _PLACEHOLDER.split(text)
        pieces[::2] = [self._mask_piece(piece, counts, budget) for piece in pieces[::2]]
        return Masked("".join(pieces), counts)

    def _mask_piece(self, text: str, counts: dict[str, int], budget: Budget) -> str:
        """Mask a text without placeholders until no piece of it holds anything to mask."""
        done: list[str] = []
        todo = [text]
        while todo:
            piece = todo.pop()
            spans = _choose(self._find(piece, budget))
            if not spans:
                done.append(piece)
                continue
            following: list[str] = []
            at = 0
            for span in spans:
                counts[span.kind] = counts.get(span.kind, 0) + 1
                following += [piece[at : span.start], f"[{span.kind}]"]
                at = span.end
            following.append(piece[at:])
            todo += reversed(following)
        return "".join(done)

    def _find(self, text: str, budget: Budget) -> list[Span]:
        if _PLACEHOLDER.fullmatch(text):
            return []
        spans = list(find_numbers(text, budget))
        if "@" in text:
            spans += [Span(*m.span(), EMAIL, 0) for m in _EMAIL.finditer(text)]
        for kind, pattern in self._rules:
            for match in pattern.finditer(text):
                start, end = match.span(1 if pattern.groups else 0)
                if start < end:
                    spans.append(Span(start, end, kind, 0))
        return spans


def _compile(rule: MaskRule) -> re.Pattern[str]:
    if not _KIND.fullmatch(rule.kind):
        raise ValueError(f"mask rule {rule.kind!r}: a kind is upper-case letters and underscores")
    try:
        return re.compile(rule.pattern, re.ASCII)
    except (re.error, ValueError) as error:
        raise ValueError(
            f"mask rule {rule.kind}: {rule.pattern!r} is no pattern: {error}"
        ) from None


def _choose(spans: list[Span]) -> list[Span]:
    """Choose among overlapping candidates; the result is in the order of the text."""
    if len(spans) < 2:
        return spans
    # Whatever lies strictly inside another checked candidate would leave the rest of it in sight,
    # hence length before rank; only the unsure kinds of rank 3 wait until all others have chosen.
    spans.sort(key=lambda s: (s.rank == 3, s.start - s.end, s.rank, s.start))
    chosen: list[Span] = []
    taken: set[int] = set()
    for span in spans:
        places = range(span.start, span.end)
        if taken.isdisjoint(places):
            taken.update(places)
            chosen.append(span)
    return sorted(chosen)
