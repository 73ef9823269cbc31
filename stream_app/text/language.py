"""Language by script: enough to choose words for a reader, at the cost of a few regexes."""

import re
from typing import Final, Literal

Language = Literal["zh", "en", "other"]

_PLACEHOLDER: Final = re.compile(r"\[[A-Z][A-Z_]*\]")
_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]+")
_ENGLISH: Final = re.compile(r"[A-Za-z]+")
_NOT_LETTERS: Final = re.compile(r"[\W\d_]+")

_LETTERS_PER_HAN: Final = 3  # a Chinese character says about as much as three Latin letters
# Shares of other letters that make a text foreign: "café" stays English in a sentence, French does
# not; Greek names of products stay Chinese, kana do not.
_FOREIGN_IN_ENGLISH: Final = 0.03
_FOREIGN_IN_CHINESE: Final = 0.33


def language(text: str) -> Language:
    """Return "zh", "en" or "other" by what most of the text is written in.

    Han characters count as Chinese, plain Latin letters as English, all other letters (kana,
    Cyrillic, é) as other; placeholders count for nothing. Script cannot tell English from another
    language without accents, nor Chinese from Japanese without kana. No letters are "other".
    """
    if "[" in text:
        text = _PLACEHOLDER.sub("", text)
    english = sum(map(len, _ENGLISH.findall(text)))
    if text.isascii():
        return "en" if english else "other"
    han = sum(map(len, _HAN.findall(text)))
    letters = len(_NOT_LETTERS.sub("", text))
    foreign = letters - english - han
    chinese = han > 0 and han * _LETTERS_PER_HAN >= english
    most = letters * (_FOREIGN_IN_CHINESE if chinese else _FOREIGN_IN_ENGLISH)
    if not (han or english) or (foreign > 1 and foreign > most):
        return "other"
    return "zh" if chinese else "en"
