"""What the discovery of new topics gets of a review, and where that is kept.

The topic `unmatched` is a ring without a table: the key is a slot, the slot a hash of the review's
id. Compaction keeps one review a slot, so the ring holds a sample of the recent ones, and a
repeated review replaces itself.
"""

import re

from stream_app.messages.identity import hash64
from stream_app.schemas import Analysis, Unmatched

SLOTS = 2048
COMMON_SLOTS = 256
"""For reviews that do fit a topic: from them it is known which words are common."""
COMMON = 8
"""One in so many of those is sent."""
LENGTH = 200
LEAST = 4
"""Words, or Chinese characters, of a text that can show a topic."""

SLOT_KEYS = frozenset(str(slot).encode() for slot in range(SLOTS + COMMON_SLOTS))

_WORD = re.compile(r"[\u3400-\u9fff]|(?:(?![\u3400-\u9fff])[^\W\d_])+")


def unmatched(analysis: Analysis) -> tuple[bytes, Unmatched] | None:
    """Slot and record of a review; None if it is too short, or one of a known topic that is not
    sampled."""
    number = hash64(analysis.id)
    if analysis.topics:
        if number % COMMON:
            return None
        slot, vector = SLOTS + number // COMMON % COMMON_SLOTS, None
    else:
        slot, vector = number % SLOTS, analysis.vector
    text = analysis.text[:LENGTH]
    if len(_WORD.findall(text)) < LEAST:
        return None
    return str(slot).encode(), Unmatched(analysis.id, analysis.time, text, vector)
