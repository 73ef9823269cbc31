"""Cleaning: from what a customer pasted to the plain text a model reads.

`clean` returns only fixpoints of one pass over the text, so cleaning twice changes nothing. Every
step is linear in the length of the text; the number of passes is bounded.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from selectolax.lexbor import LexborHTMLParser

URL: Final = "[URL]"

# Escapes nested deeper than this (`&am&#112;lt;` and the like) are an attack, not a review.
_MAX_PASSES: Final = 5

# ---- characters ---------------------------------------------------------------------------------

_ASCII_PUNCTUATION: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_CJK_PUNCTUATION: Final = "，。！？；：、（）“”‘’《》〈〉【】「」『』—–…·￥¥"
# Full width by convention in Chinese, and in the vocabulary of every Chinese model: kept.
_KEPT_FULL_WIDTH: Final = "！（），：；？"

_EMOJI: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf"
    "\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)

# Controls, soft hyphen, fillers, zero-width, bidi, text variation selectors, surrogates, private
# use, noncharacters. The joiner U+200D, U+FE0F and the tags depend on their neighbours: _EMOJI_ONLY
_DROPPED: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ue000-\uf8ff"
    "\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0080-\U0010ffff]+"
)
_EMOJI_ONLY: Final = re.compile(
    "(\U0001f3f4[\U000e0061-\U000e007a]{4,6}\U000e007f)|[\U000e0000-\U000e007f]"
    f"|(?<![{_EMOJI}\ufe0f\u20e3])\u200d|\u200d(?![{_EMOJI}])"
    f"|(?<![{_EMOJI}0-9#*])\ufe0f|(?<=[0-9#*])\ufe0f(?!\u20e3)"
)
_SPACES: Final = re.compile(
    "[\t-\r\x1c-\x1f \x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]{2,}"
    "|[\t-\r\x1c-\x1f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
_STACKED_MARKS: Final = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{2})"
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def _fold_table() -> dict[int, str]:
    """Full-width ASCII, styled letters (𝐀, 𝟏) and the decimal digits of all scripts to ASCII.

    NFKC as a whole would also undo ², ①, ™ and ligatures, which carry meaning; so only these.
    """
    table = {c: chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F) if chr(c) not in _KEPT_FULL_WIDTH}
    table |= {c: unicodedata.normalize("NFKC", chr(c)) for c in range(0x1D400, 0x1D800)}
    for c in range(0x80, 0x20000):
        if (digit := unicodedata.decimal(chr(c), None)) is not None:
            table[c] = str(digit)
    return table


def _ranges(characters: Iterable[int]) -> str:
    """The inside of a class. `re` looks through what is beyond U+FFFF one entry after the other,
    so ranges: listed singly, the styled letters cost every other character a microsecond."""
    found: list[list[int]] = []
    for character in sorted(characters):
        if found and character == found[-1][1] + 1:
            found[-1][1] = character
        else:
            found.append([character, character])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


_FOLD: Final = _fold_table()
# A class with a callback: an order of magnitude faster than str.translate where little is to fold.
_FOLDED: Final = re.compile(f"[{_ranges(_FOLD)}]")
_NEEDS_EMOJI: Final = re.compile("[\u200d\ufe0f\U000e0000-\U000e007f]")


def _fold_one(match: re.Match[str]) -> str:
    return _FOLD[ord(match[0])]


def _fold(text: str) -> str:
    text = _DROPPED.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _FOLDED.sub(_fold_one, text))
        if _NEEDS_EMOJI.search(text):
            text = _EMOJI_ONLY.sub(r"\1", text)
        text = _STACKED_MARKS.sub(r"\1", text)
    return text


# ---- markup -------------------------------------------------------------------------------------

_ESCAPED_AMPERSAND: Final = re.compile(r"&(?:amp;|#0{0,6}38;|#x0{0,6}26;)+", re.I)
# A name needs its semicolon here, else `?a=1&copy=2` would change; a number does not.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,8};?|#x[0-9a-f]{1,8};?|[a-z][a-z0-9]{1,31};)", re.I)

# Elements whose content is not for readers, and comments: left to the HTML parser.
_HIDDEN_NAMES: Final = ("script", "style", "template", "iframe", "noscript", "noembed", "noframes")
_HIDDEN: Final = rf"/?(?:{'|'.join(_HIDDEN_NAMES)})(?=[\s/>])|!--|!doctype\s|\?xml"
_HAS_HIDDEN: Final = re.compile(f"<(?:{_HIDDEN})", re.I)
_NOT_HIDDEN: Final = re.compile(f"<(?!{_HIDDEN})", re.I)

_TAG: Final = re.compile(
    r"<(/?)([a-z][a-z0-9:-]*+)(?=[\s/>])"
    r"((?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*+>"
    r"|[^<>]*+>"  # quotes that do not pair
    # cut off within its attributes
    r"|(?:\s++[a-z-]++\s*+=\s*+(?:\"[^\"<]*+\"|'[^'<]*+'|[^\s<>]*+))++)",
    re.I,
)
_INLINE: Final = re.compile(
    "a|abbr|acronym|b|bd[io]|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|meter|nobr"
    "|output|q|r[pt]|ruby|s|samp|small|span|strike|strong|su[bp]|time|tt|u|var|wbr"
)
_BLOCK: Final = re.compile(
    "address|article|aside|audio|base|blockquote|body|br|button|canvas|caption|center|col|colgroup"
    "|d[dlt]|details|dialog|dir|div|embed|fieldset|figcaption|figure|footer|form|frame|frameset"
    "|h[1-6r]|head|header|hgroup|html|img|input|legend|li|link|main|map|math|menu|meta|nav|object"
    "|[ou]l|optgroup|option|p|param|picture|pre|progress|search|section|select|source|summary|svg"
    "|table|tbody|t[dhr]|textarea|tfoot|thead|title|track|video"
)


def _strip_tag(match: re.Match[str]) -> str:
    """Replace a tag: block by a space, inline by nothing (`<b>13</b>8` is one number).

    "a <b and c> d" and "<The Hobbit>" are no tags: one letter, or no name of HTML, and no `=`.
    """
    closing, name, rest = match[1], match[2].lower(), match[3]
    has_attribute = "=" in rest
    bare = not rest.strip(" \t\n/>")
    inline = _INLINE.fullmatch(name) is not None
    if inline or _BLOCK.fullmatch(name):
        if len(name) == 1 and not (bare or has_attribute):
            return match[0]
        return "" if inline else " "
    return " " if closing or has_attribute or ":" in name else match[0]


def _visible(text: str) -> str:
    """Drop comments and hidden elements; leave every other `<` and `&` as text."""
    protected = _NOT_HIDDEN.sub("&lt;", text.replace("&", "&amp;"))
    parser = LexborHTMLParser(protected)
    parser.strip_tags(list(_HIDDEN_NAMES), recursive=True)
    root = parser.root
    return root.text() if root is not None else ""


def _decode(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def _strip_markup(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(_decode, _ESCAPED_AMPERSAND.sub("&", text))
    if "<" in text:
        if _HAS_HIDDEN.search(text):
            text = _visible(text)
        text = _TAG.sub(_strip_tag, text)
    return text


# ---- addresses, punctuation ---------------------------------------------------------------------

_PATH: Final = r"[!#-&(-;=?-Z\\^-~]*[a-z0-9/=_#&%-]"
_ADDRESS: Final = re.compile(
    rf"(?:(?:https?|ftp)[:：]//|(?<![a-z0-9@._-])www\.(?=[a-z0-9])){_PATH}"
    # Short links come without a scheme; without a path a domain is a shop's name.
    r"|(?<![a-z0-9@._-])(?:[a-z0-9-]{1,63}\.){1,4}"
    rf"(?:com|cn|net|org|cc|ly|me|co|io|tv|top|xyz|vip|shop|link|gl|to|gd|im|info)/(?=[a-z0-9]){_PATH}",
    re.I,
)
_RUN: Final = re.compile(
    f"([{re.escape(_ASCII_PUNCTUATION.replace('*', ''))}{_CJK_PUNCTUATION}]{{1,2}}?)\\1{{3,}}"
)
_STARS: Final = re.compile(r"\*{6,}")  # five may be a rating


def _may_hold_address(text: str) -> bool:
    return "/" in text or "www." in text.lower()


def _pass(text: str) -> str:
    text = _strip_markup(_fold(text))
    if _may_hold_address(text):
        text = _ADDRESS.sub(URL, text)
    text = _STARS.sub("*****", _RUN.sub(r"\1\1\1", text))
    return _SPACES.sub(" ", text).strip()


# ---- the whole ----------------------------------------------------------------------------------

# Words, single spaces and at most three marks of punctuation in a row: nothing to do. "<", "&",
# "/" and "*" are left out, so that markup, addresses and ratings take the long way.
_WORD: Final = (
    "[A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u4e00-\u9fff"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff]"
)
_MARK: Final = (
    f"[{re.escape(''.join(c for c in _ASCII_PUNCTUATION if c not in '<&/*'))}{_CJK_PUNCTUATION}]"
)
_PLAIN: Final = re.compile(f"{_MARK}{{0,3}}(?:{_WORD}++(?: ?{_MARK}{{1,3}} ?| )?+)*+(?<! )")


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and not _may_hold_address(text)


def clean(text: str) -> str:
    """Return `text` as one line of plain text. Pure and idempotent, linear in its length.

    - HTML, also broken or escaped several times over, becomes its text; scripts and styles go.
    - Addresses become `[URL]`.
    - Invisible characters (control, zero-width, bidi) go, save joiners within emoji.
    - Full-width and styled letters and digits become ASCII; Chinese punctuation stays.
    - A mark of punctuation, or a pair, is repeated at most thrice ("。。。。。" to "。。。"), stars
      five times; a letter carries at most two combining marks.
    - All white space becomes single spaces.
    """
    passes = 0
    while not _is_plain(text) and (cleaned := _pass(text)) != text:
        text = cleaned
        passes += 1
        if passes == _MAX_PASSES:
            text = re.sub("[<>&]", " ", text)
    return text
