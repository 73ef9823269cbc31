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


@contextmanager
def decoding(kind: str) -> Iterator[None]:
    """Within it, errors of decoding become a StateError that names the table, `kind`."""
    try:
        yield
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, struct.error):
        raise StateError(
            f"the {kind} table holds what is no record: was another program's topic or folder "
            "given? Name it right in the settings"
        ) from None


def unpack(
    data: bytes, decoder: msgspec.msgpack.Decoder[Stored], kind: str, versions: Sequence[int]
) -> Stored:
    """A record's fields; raises StateError unless the first, its version, is one of `versions`,
    DecodeError for what is no such record."""
    try:
        fields = decoder.decode(data)
        version = fields[0]
    except (msgspec.DecodeError, TypeError):
        # How many fields a later version has, and of which types, is not known.
        first = msgspec.msgpack.decode(data, strict=False)
        version = first[0] if isinstance(first, list) and first else None
        if version in versions or not isinstance(version, int):
            raise msgspec.DecodeError("no record") from None
    if version in versions:
        return fields
    known = " and ".join(str(one) for one in versions)
    raise StateError(
        f"the {kind} table holds a record of version {version!r:.9}, this worker reads {known}: "
        "start the version of stream-app that wrote it, or one between"
    )
