"""Recipes of training runs: one TOML file each, with the fields of a dataclass."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def read(file: Path | None, kind: type[T], **given: Any) -> T:
    """The recipe of a file, or the defaults without one; what is `given` and not None wins.

    Raises ValueError naming the file and the field.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ValueError(f"{file}: {error}") from error
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(values.keys() - set(names))
    if unknown:
        raise ValueError(f"{file}: no field {unknown[0]}; there are {', '.join(names)}")
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{file}: {error}") from error
