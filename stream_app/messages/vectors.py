"""Embeddings as they stand in messages."""

import base64

import numpy as np
from numpy.typing import NDArray

from stream_app.schemas import Invalid


def unpack(vector: str, dimensions: int | None = None) -> NDArray[np.float32]:
    """An embedding [dimensions] from its base64 form; raises Invalid, also where it has another
    length than is asked for."""
    try:
        found = np.frombuffer(base64.b64decode(vector, validate=True), "<f4").astype(np.float32)
    except ValueError:
        raise Invalid("the vector is not base64 of float32 numbers") from None
    if not np.isfinite(found).all():
        raise Invalid("the vector holds numbers that are not finite")
    if dimensions is not None and len(found) != dimensions:
        raise Invalid(f"the vector has {len(found)} dimensions, not {dimensions}")
    return found


def pack(vector: NDArray[np.float32]) -> str:
    """The base64 form of an embedding [dimensions]: little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
