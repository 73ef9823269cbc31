"""Who is who: stable hashes of ids, and the partition of a key."""

import hashlib
from functools import lru_cache
from typing import Literal

from aiokafka.partitioner import murmur2


def hash64(text: str) -> int:
    """64-bit BLAKE2b of an id: fixed size in the records, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def event_hash(kind: Literal["review", "behaviour"], user_id: str, event_id: str) -> int:
    """64 bits of an event. Ids are a user's own, of each kind: an order number may be both a
    purchase's and a review's, and whoever guesses an id cannot use it up for somebody else."""
    return hash64(f"{kind}:{len(user_id)}:{user_id}:{event_id}")


def hash16(text: str) -> int:
    """16 bits of `hash64`, for the few topics of a profile."""
    return hash64(text) & 0xFFFF


LONGEST = 1024
"""Bytes of a key that decide on its partition. No id is so long (128 characters of UTF-8), and
over the megabytes that a hostile key may have murmur2 in Python takes a second."""


def partition(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it (murmur2); of a key longer than
    `LONGEST`, that of its beginning."""
    return _murmur2(key[:LONGEST]) % partitions


@lru_cache(2**14)
def _murmur2(key: bytes) -> int:
    # In Python it takes 4 us, and a key is asked for again with every stage.
    return int(murmur2(key) & 0x7FFFFFFF)
