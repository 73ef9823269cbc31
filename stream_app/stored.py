"""The tables' values: MessagePack arrays whose first entry is the version of the record."""

from collections.abc import Sequence
from typing import Any

import msgspec


class StateError(ValueError):
    """A table's value that this version cannot read; the message says what to do about it."""


def unpack(data: bytes, kind: str, versions: Sequence[int]) -> tuple[int, list[Any]]:
    """The version of a record and its fields; raises StateError unless it is one of `versions`.

    The version comes first and is looked at first: how many fields a later one has is not known.
    """
    try:
        version, *fields = msgspec.msgpack.decode(data, strict=False)
    except (msgspec.DecodeError, TypeError, ValueError):
        raise StateError(
            f"the {kind} table holds what is no record: was another program's topic or folder "
            "given? Name it right in the settings"
        ) from None
    if version in versions:
        return version, fields
    known = " and ".join(str(one) for one in versions)
    raise StateError(
        f"the {kind} table holds a record of version {version!r:.9}, this worker reads {known}: "
        "start the version of stream-app that wrote it, or one between"
    )
