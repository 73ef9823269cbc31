"""A broken RocksDB folder is restored from the changelog, a sound one is left as it is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream_app.agents.worker import create_app
from stream_app.delivery.ending import EXIT_FAILURE
from stream_app.delivery.outbox import Outbox
from stream_app.delivery.ownership import CLAIM_KEY, TOKEN
from stream_app.delivery.table import StateTable
from stream_app.delivery.upstream.store import Store
from stream_app.settings import load

RECORDS = 4000


def opened(folder: Path) -> Store:
    """The store of a table, as a worker opens it."""
    settings = load(environ={}, data_dir=str(folder))
    app = create_app(settings)
    return StateTable(app, settings, Outbox(settings), "interests")._store


def written(offset: int, key: bytes, value: bytes | None, token: int) -> SimpleNamespace:
    """A changelog record."""
    headers = ((TOKEN, str(token).encode()),)
    return SimpleNamespace(offset=offset, key=key, value=value, headers=headers)


def cut(share: float) -> Callable[[Path], None]:
    """Leaves a share of a file."""
    return lambda file: os.truncate(file, int(file.stat().st_size * share))


def scratched(file: Path) -> None:
    with file.open("r+b") as opened_file:
        opened_file.seek(file.stat().st_size // 2)
        opened_file.write(b"scratched")


@pytest.mark.parametrize("harm", [cut(0.95), cut(0.75), cut(0.5), cut(0), scratched])
@pytest.mark.parametrize("pattern", ["*.sst", "MANIFEST-*", "CURRENT"])
def test_a_broken_folder_never_gives_half_of_the_state(
    tmp_path: Path, pattern: str, harm: Callable[[Path], None]
) -> None:
    keys = [str(number).encode() for number in range(RECORDS)]
    store = opened(tmp_path)
    for begin in range(0, RECORDS, 100):  # several flushes, each a line of the manifest
        batch = list(enumerate(keys))[begin : begin + 100]
        store.apply(0, [written(n, key, os.urandom(900), 1) for n, key in batch])
    folder = store.partition_path(0)
    store._dbs.pop(0).close()
    harm(max(folder.glob(pattern), key=lambda file: file.stat().st_size))

    again = opened(tmp_path)
    try:
        left = sum(again.read(0, key) is not None for key in keys)
    except Exception as error:
        # Found only when it is read: the worker ends, and the next one starts from nothing.
        assert "Corruption" in str(error)
        with suppress(Exception):  # it says once more that it is corrupt
            again._dbs.pop(0).close()
        again = opened(tmp_path)
        assert again.read(0, keys[0]) is None
        left = 0
    assert left in (0, RECORDS)
    assert again.next_offset(0) == left


def test_a_sound_folder_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(0, [written(5, b"a", b"1", 1), written(6, b"b", None, 1)])
    store._dbs.pop(0).close()
    again = opened(tmp_path)
    assert again.read(0, b"a") == b"1"
    assert again.next_offset(0) == 7


def test_a_record_of_who_owns_it_no_more_is_passed_over(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(0, [written(0, CLAIM_KEY, b"1", 1), written(1, b"a", b"old", 1)])
    store.apply(0, [written(2, CLAIM_KEY, b"2", 2), written(3, b"a", b"new", 2)])
    store.apply(0, [written(4, b"a", b"stale", 1), written(5, b"b", b"stale", 1)])
    assert (store.read(0, b"a"), store.read(0, b"b")) == (b"new", None)
    assert store.overwritten[0] == {b"a", b"b"}
    assert (store.token(0), store.next_offset(0)) == (2, 6)
    store.apply(0, [written(6, b"a", b"newer", 2)])
    assert store.overwritten[0] == {b"b"}


KILLED = """
import os, signal, sys
from pathlib import Path
from test_store import opened, written
store = opened(Path(sys.argv[1]))
store.apply(0, [written(0, b"a", b"new", 2), written(1, b"b", b"new", 2)])
store.apply(0, [written(2, b"a", b"stale", 1), written(3, b"b", b"stale", 1)])
store.apply(0, [written(4, b"b", b"newer", 2)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_does_not_forget_which_keys_were_overwritten(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parent, check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    again = opened(tmp_path)
    assert again.next_offset(0) == 5
    assert again.overwritten[0] == {b"a"}
    again.apply(0, [written(5, b"a", b"newer", 2)])
    again._dbs.pop(0).close()
    last = opened(tmp_path)
    assert (last.next_offset(0), last.overwritten[0]) == (6, set())


def test_a_stale_claim_is_no_record_to_write_again(tmp_path: Path) -> None:
    """Its key is the claim's own: no processor can make anything of it."""
    store = opened(tmp_path)
    store.apply(0, [written(0, CLAIM_KEY, b"2", 2), written(1, b"a", b"new", 2)])
    store.apply(0, [written(2, CLAIM_KEY, b"1", 1)])
    assert store.overwritten[0] == set()
    assert (store.token(0), store.next_offset(0)) == (2, 3)


def test_what_the_store_keeps_for_itself_is_no_key_of_the_table(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(0, [written(0, CLAIM_KEY, b"2", 2), written(1, b"a", b"new", 2)])
    store.apply(0, [written(2, b"b", b"stale", 1)])
    database = store._dbs[0]
    assert list(store._visible_keys(database)) == [b"a"]
    assert list(store._visible_items(database)) == [(b"a", b"new")]


FULL = """
import resource, signal, sys
from pathlib import Path
from types import SimpleNamespace
from test_store import opened, written
store = opened(Path(sys.argv[1]))
assert store.next_offset(0) == 0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY))
record = written(0, b"k", b"v" * (1 << 18), 1)
record.partition = 0
store.apply_changelog_batch([SimpleNamespace(message=record)], None, None)
print("goes on")
"""


def test_a_disk_that_is_full_during_recovery_ends_the_worker(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=Path(__file__).parent, text=True,
        capture_output=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (EXIT_FAILURE, ""), done.stderr
    assert "recovery failed, the worker stops" in done.stderr
