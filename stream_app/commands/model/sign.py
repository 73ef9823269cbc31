"""`keygen` and `sign`: who may announce a bundle to the workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from stream_app.commands.errors import friendly
from stream_app.inference import signature
from stream_app.inference.bundle import load

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
KEY_FILE = click.option(
    "--key", type=FILE, help="Secret key, of `model keygen` or of minisign; signs the bundle."
)
PASSWORD_FILE = click.option(
    "--password-file", type=FILE, help="Holds the key's password; by default it is asked for."
)


def _password(file: Path | None, confirm: bool) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    asked: str = click.prompt(
        "Password of the key", hide_input=True, confirmation_prompt=confirm, default="",
        show_default=False, err=True,
    )  # fmt: skip
    return asked


@contextmanager
def opened_key(file: Path, password_file: Path | None) -> Iterator[Any]:
    """A secret key, decrypted, and wiped from memory after; one line if it cannot be had."""
    try:
        with signature.read_secret(file) as secret:
            if secret.is_encrypted():
                secret.decrypt(_password(password_file, confirm=False))
            yield secret
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from error


@click.command()
@click.argument("key", type=click.Path(dir_okay=False, path_type=Path))
@PASSWORD_FILE
@click.option("--no-password", is_flag=True, help="The file alone guards the key.")
@friendly
def keygen(key: Path, password_file: Path | None, no_password: bool) -> None:
    """Make a pair of keys in minisign's format: KEY, to be kept secret, and KEY.pub.

    The public key is printed: it belongs in the settings of every worker.

    \b
    stream-app model keygen ~/bundles.key
    export STREAM_APP_BUNDLE_KEY=RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3
    """
    password = "" if no_password else _password(password_file, confirm=True)
    if not password and not no_password:
        raise click.UsageError("an empty password is none: give --no-password to mean it")
    try:
        click.echo(signature.generate(key, password))
    except FileExistsError as error:
        raise click.ClickException(f"{key}: there is one already") from error


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@KEY_FILE
@PASSWORD_FILE
@friendly
def sign(bundle: Path, key: Path | None, password_file: Path | None) -> None:
    """Sign a bundle, all files of it, so that workers with the public key take it.

    Writes SHA256SUMS.minisig, which minisign verifies too.

    \b
    stream-app model sign my-bundle --key ~/bundles.key
    minisign -V -p ~/bundles.key.pub -m my-bundle/SHA256SUMS
    """
    if key is None:
        raise click.UsageError("give --key, the secret key")
    version = load(bundle).version
    with opened_key(key, password_file) as secret:
        signature.sign(bundle, secret)
    click.echo(f"{bundle}: {version} is signed")
