"""Who is who: stable hashes of ids, and the partition of a key."""

import hashlib

from aiokafka.partitioner import murmur2


def hash64(text: str) -> int:
    """64-bit BLAKE2b of an id: fixed size in the records, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def hash16(text: str) -> int:
    """16 bits of `hash64`, for the few topics of a profile."""
    return hash64(text) & 0xFFFF


def partition(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
