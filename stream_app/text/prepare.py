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
    text, masked = masker.mask(clean(raw))
    return Prepared(text, language(text), masked)
