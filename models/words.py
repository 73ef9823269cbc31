"""The words of a text: Chinese as jieba cuts it, any other script by its letters."""

import functools
import re
from typing import Any

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
            found.update((word[:32], None) for word in _jieba().cut(run) if len(word) > 1)
        else:
            found[run] = None
    return list(found)


@functools.cache
def _jieba() -> Any:
    """Loaded on the first Chinese text: it takes a second and some memory."""
    import jieba

    tokenizer = jieba.Tokenizer()
    # Its own `initialize` would trust a cache file in the shared folder for temporary files.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
