"""What comes with an extra of the package, and how a command says that it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """A module that is not there becomes one line that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'stream-app[{extra}]' brings it"
        ) from error
