"""JSON bytes to records and back, with reasons a person understands."""

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
# The only message of msgspec that repeats what was sent, which may be personal.
_quoted = re.compile(r"""(?s)enum value (['"]).*\1""")


class Invalid(ValueError):
    """The bytes are not a valid record; the message says why, without repeating the content."""


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    if kind not in _decoders:
        _decoders[kind] = msgspec.json.Decoder(kind)
    return _decoders[kind]


def decode(value: bytes | None, kind: type[T]) -> T:
    """A record of `kind` from JSON bytes; raises Invalid."""
    if value is None:
        raise Invalid("the value is null")
    try:
        record: T = _decoder(kind).decode(value)
        return record
    except msgspec.ValidationError as error:
        reason = _quoted.sub("value", str(error))
        raise Invalid(f"not a valid {kind.__name__}: {reason}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            value.decode()
        except UnicodeDecodeError as broken:
            raise Invalid(f"not UTF-8: byte {broken.start} of {len(value)}") from None
        raise Invalid(f"not JSON: {error}") from None
    except RecursionError:
        raise Invalid("not readable: nested too deep") from None


def encode(record: Any) -> bytes:
    """JSON bytes of a record, UTF-8, in the order of its fields."""
    return _encoder.encode(record)
