"""The words of a text: Chinese as jieba cuts it, any other script by its letters.

The port to Rust cuts the same in a twentieth of the time.
"""

import re

import rjieba

RUN = re.compile(r"[\u3400-\u9fff]{2,}|(?:(?![\u3400-\u9fff])[^\W\d_]){3,32}")

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]*\]")


def words(text: str) -> list[str]:
    """Distinct words in lower case, in the order of the text.

    Left out: numbers, Chinese of one character, words of less than 3 letters elsewhere, and
    placeholders of masked data, such as `[PHONE]`.
    """
    found: dict[str, None] = {}
    for run in RUN.findall(PLACEHOLDER.sub(" ", text).lower()):
        if "\u3400" <= run[0] <= "\u9fff":
            found.update((word[:32], None) for word in rjieba.cut(run) if len(word) > 1)
        else:
            found[run] = None
    return list(found)
