"""`model keygen`, `model sign`, and what `model promote` asks before it measures."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minisign
import pytest
from click.testing import CliRunner, Result

from stream_app.commands.main import main
from stream_app.inference import signature
from stream_app.inference.bundle import SIGNATURE, BundleError, load
from stream_app.settings import Settings

Variant = Callable[..., Path]


def call(*arguments: Any, **settings: str) -> Result:
    environment = {f"STREAM_APP_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(main, ["model", *map(str, arguments)], env=environment)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "held-out.jsonl"
    made.write_text('{"text": "good", "label": "positive"}\n')
    return made


@pytest.mark.parametrize("password", ["", "a password"])
def test_what_is_signed_is_taken(tmp_path: Path, variant: Variant, password: str) -> None:
    key, bundle, file = tmp_path / "key", variant("next-1"), tmp_path / "password"
    file.write_text(f"{password}\n")
    given = ["--password-file", file] if password else ["--no-password"]
    made = call("keygen", key, *given)
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert password == "" or minisign.SecretKey.from_file(key).is_encrypted()
    signed = call("sign", bundle, "--key", key, *(given if password else []))
    assert signed.exit_code == 0 and "is signed" in signed.output, signed.output
    keys = signature.trusted(Settings(bundle_key=made.output.strip()))
    signature.check(bundle, load(bundle).sha256, keys)
    assert minisign.PublicKey.from_file(f"{key}.pub") == keys[0]
    (bundle / SIGNATURE).write_bytes((bundle / SIGNATURE).read_bytes().replace(b"timestamp", b"x"))
    with pytest.raises(BundleError, match="not by a key"):
        signature.check(bundle, load(bundle).sha256, keys)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("precious")
    done = call("keygen", key, "--no-password")
    assert done.exit_code == 1 and "there is one already" in done.output
    assert key.read_text() == "precious"


def test_a_wrong_password_is_one_line(tmp_path: Path, variant: Variant) -> None:
    key, file = tmp_path / "key", tmp_path / "password"
    file.write_text("right")
    assert call("keygen", key, "--password-file", file).exit_code == 0
    file.write_text("wrong")
    done = call("sign", variant("next-1"), "--key", key, "--password-file", file)
    assert done.exit_code == 1 and "wrong password" in done.output
    assert len(done.output.splitlines()) == 1


def test_what_workers_would_refuse_is_not_announced(
    tmp_path: Path, variant: Variant, data: Path
) -> None:
    bundle = variant("next-1")
    public = signature.generate(tmp_path / "key", "")

    def promote(**settings: str) -> str:
        done = call("promote", bundle, "--data", data, **settings)
        assert done.exit_code == 1, done.output
        (line,) = done.output.splitlines()
        return line

    assert "bundle_root and bundle_key must be set" in promote(bundle_root=str(tmp_path))
    elsewhere = promote(bundle_root=str(tmp_path / "x"), bundle_key=public)
    assert "not directly in bundle_root" in elsewhere
    assert "not signed" in promote(bundle_root=str(tmp_path), bundle_key=public)
    done = call("promote", bundle, "--data", data, "--force")
    assert done.exit_code == 2 and "--key" in done.output
