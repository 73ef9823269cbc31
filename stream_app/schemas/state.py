"""The tables' values: MessagePack arrays whose first entry is the version of the record."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

Stored = TypeVar("Stored", bound=tuple[Any, ...])
"""Types of a stored record's fields, in their order."""


class StateError(ValueError):
    """A table's value that this version cannot read; the message says what to do about it."""


class Unusable(StateError):
    """A table's value that no version can use: whoever meets it sets it aside, and goes on."""


@contextmanager
def decoding(kind: str) -> Iterator[None]:
    """Within it, errors of decoding become one that names the table, `kind`: Unusable, and no
    other, for what was never a record."""
    try:
        yield
    except StateError:
        raise
    except (msgspec.DecodeError, ValueError, RecursionError, struct.error):
        raise Unusable(
            f"the {kind} table holds what is no record: was another program's topic or folder "
            "given? Name it right in the settings"
        ) from None


def check_clock(clock: float) -> None:
    """A record's newest time must be one that rings can hold; raises ValueError."""
    if not 0 <= clock < 1 << 32:
        raise ValueError("no time")


def unpack(
    data: bytes, decoder: msgspec.msgpack.Decoder[Stored], kind: str, versions: Sequence[int]
) -> Stored:
    """A record's fields; raises StateError if the first, its version, is later than `versions`,
    which ascend, and DecodeError for what is no record of theirs."""
    try:
        fields = decoder.decode(data)
        version = fields[0]
    except (msgspec.DecodeError, TypeError):
        # How many fields a later version has, and of which types, is not known.
        first = msgspec.msgpack.decode(data, strict=False)
        version = first[0] if isinstance(first, list) and first else None
        if not isinstance(version, int) or version <= versions[-1]:
            raise msgspec.DecodeError("no record") from None
    if version in versions:
        return fields
    if version < versions[0]:
        raise msgspec.DecodeError("no version ever written")
    known = " and ".join(str(one) for one in versions)
    raise StateError(
        f"the {kind} table holds a record of version {version!r:.9}, this worker reads {known}: "
        "start the version of stream-app that wrote it, or one between"
    )
