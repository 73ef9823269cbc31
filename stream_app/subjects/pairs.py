"""Which items users acted on shortly before an item: weights by hash of their id."""

import base64
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stream_app.schemas import Invalid

_PAIR = struct.Struct("<Qf")
_PAIRS = np.dtype([("item", "<u8"), ("weight", "<f4")])


def to_bytes(weights: Mapping[int, float]) -> bytes:
    """Weights by item hash as little-endian (uint64, float32) pairs."""
    return b"".join(_PAIR.pack(*pair) for pair in sorted(weights.items()))


def from_bytes(data: bytes) -> dict[int, float]:
    """The reverse of `to_bytes`."""
    return dict(_PAIR.iter_unpack(data))


def pack(weights: Mapping[int, float]) -> str:
    """`to_bytes` in base64."""
    return base64.b64encode(to_bytes(weights)).decode()


def unpack(packed: str) -> NDArray[np.void]:
    """The pairs of `pack`, as an array of `item` and `weight`; raises Invalid."""
    try:
        pairs: NDArray[np.void] = np.frombuffer(base64.b64decode(packed, validate=True), _PAIRS)
    except ValueError:
        raise Invalid("the neighbours are not base64 of pairs of hash and weight") from None
    if not np.isfinite(pairs["weight"]).all():
        raise Invalid("the neighbours hold weights that are not finite")
    return pairs
