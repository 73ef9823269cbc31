"""Preparing: all that a raw text passes before the model may see it or anyone may log it."""

from typing import NamedTuple

from stream_app.text.clean import clean
from stream_app.text.language import Language, language
from stream_app.text.mask import Masker


class Prepared(NamedTuple):
    """A text fit for the model, and how often each kind of personal data was masked in it."""

    text: str
    language: Language
    masked: dict[str, int]


def prepare(raw: str, masker: Masker) -> Prepared:
    """Clean, then mask. Pure and idempotent; the text may come out empty."""
    text, counts = masker.mask(clean(raw))
    masked = dict(counts)
    # A placeholder may uncover what the number beside it hid: "0100000000www.x.cn".
    while counts and (cleaned := clean(text)) != text:
        text, counts = masker.mask(cleaned)
        for kind, count in counts.items():
            masked[kind] = masked.get(kind, 0) + count
    return Prepared(text, language(text), masked)
