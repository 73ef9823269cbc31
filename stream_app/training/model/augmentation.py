"""More texts out of the ones at hand, for a teacher to answer and a student to learn from.

A student copies answers, so its texts need no label, only variety (as in TinyBERT, Jiao et al.,
EMNLP 2020, which replaces words). Clauses of a text show which part carries the opinion; clauses
of two texts side by side show how opinions mix.
"""

import random
import re
from collections.abc import Iterator, Sequence

from stream_app.training.model.centring import is_chinese
from stream_app.training.model.data import Row, is_held_out

SHORTEST = 4
"""Letters of a clause."""
BREAK = re.compile(r"(?<=[,;:.!?，。；：！？…~\n])\s*")


def clauses(text: str) -> list[str]:
    """Parts of a text between its punctuation marks, each with the mark that ends it."""
    parts = (part.strip() for part in BREAK.split(text))
    return [part for part in parts if sum(map(str.isalnum, part)) >= SHORTEST]


def augmented(rows: Sequence[Row], share: float, seed: int) -> Iterator[Row]:
    """Unlabelled rows, about `share` times as many as `rows`: half clauses, half joined ones.

    A joined text is a run of clauses of one text followed by one of another text of the same
    language. Texts that the hash holds out do not occur.
    """
    rng = random.Random(seed)
    texts = list(dict.fromkeys(row.text for row in rows))
    split = [(is_chinese(text), parts) for text in texts if (parts := clauses(text))]
    several = [entry for entry in split if len(entry[1]) > 1]
    languages = {chinese: [e for e in split if e[0] is chinese] for chinese in (True, False)}
    seen = set(texts)
    for number in range(round(share * len(rows))):
        if number % 2 and several:
            _, parts = rng.choice(several)
            text = _run(parts, rng)
        else:
            chinese, parts = rng.choice(split)
            _, others = rng.choice(languages[chinese])
            text = ("" if chinese else " ").join((_run(parts, rng), _run(others, rng)))
        if text not in seen and not is_held_out(text):
            seen.add(text)
            yield Row(text, (1 / 3, 1 / 3, 1 / 3), "augmented", 0.0)


def _run(parts: Sequence[str], rng: random.Random) -> str:
    """One to three neighbouring clauses."""
    length = rng.randint(1, min(3, len(parts)))
    start = rng.randint(0, len(parts) - length)
    return ("" if is_chinese(parts[start]) else " ").join(parts[start : start + length])
