"""Signatures of bundles in minisign's format: Ed25519 over SHA256SUMS, which covers every file.

`minisign -V -P KEY -m SHA256SUMS` checks one too. Format: https://jedisct1.github.io/minisign/.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import minisign

from stream_app.inference.bundle import CHECKSUMS, SIGNATURE, BundleError
from stream_app.settings import Settings, SettingsError

LONGEST = 2048
"""Bytes of a signature file; minisign's have less than 500."""


def trusted(settings: Settings) -> list[minisign.PublicKey]:
    """The keys of `bundle_key`; raises SettingsError."""
    parts = [part.strip() for part in settings.bundle_key.split(",")]
    try:
        return [minisign.PublicKey.from_base64(part) for part in parts if part]
    except ValueError as error:
        raise SettingsError(f"bundle_key: no public key of minisign: {error}") from None


def check(path: Path, sha256: str, keys: Sequence[minisign.PublicKey]) -> None:
    """That one of the keys signed the folder's SHA256SUMS, which has that hash.

    The hash is of the bytes that are checked: a file that changes meanwhile is no way around it.
    Raises BundleError.
    """
    file = path / SIGNATURE
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise BundleError(f"{file}: no file")
        with file.open("rb") as stream:
            signature = minisign.Signature.from_bytes(stream.read(LONGEST))
        sums = (path / CHECKSUMS).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{file}: missing, so not signed") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{file}: not readable ({type(error).__name__})") from error
    if hashlib.sha256(sums).hexdigest() != sha256:
        raise BundleError(f"{path / CHECKSUMS}: has changed while it was read")
    for key in keys:
        try:
            key.verify(sums, signature)
        except minisign.VerifyError:
            continue
        return
    raise BundleError(f"{file}: not by a key of `bundle_key`")


def generate(file: Path, password: str) -> str:
    """Write a secret key, readable by its owner alone, and the public one beside it, which is
    returned. Raises FileExistsError. Without a password the file itself is all that guards it."""
    pair = minisign.KeyPair.generate()
    public = bytes(pair.public_key)
    with pair.secret_key as secret:
        if password:
            secret.encrypt(password)
        made = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(made, "wb") as stream:
            stream.write(bytes(secret) + b"\n")
    file.with_name(file.name + ".pub").write_bytes(public + b"\n")
    shown: str = pair.public_key.to_base64().decode()
    return shown


def read_secret(file: Path) -> minisign.SecretKey:
    """A secret key of minisign's, perhaps still encrypted; raises ValueError."""
    return minisign.SecretKey.from_file(file)


def sign(path: Path, secret: minisign.SecretKey) -> None:
    """Sign a folder's SHA256SUMS with a decrypted key."""
    signed = secret.sign((path / CHECKSUMS).read_bytes())
    (path / SIGNATURE).write_bytes(bytes(signed) + b"\n")
