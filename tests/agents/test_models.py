"""Promotions by message: each way in which one can be bad, and what serves after it."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from stream_app import schemas
from stream_app.agents.models import _Promoted
from stream_app.inference import signature
from stream_app.inference.attempts import ENDS, Announced, Attempts
from stream_app.inference.batching import Inference
from stream_app.inference.bundle import CHECKSUMS, Bundle, load, write_checksums
from stream_app.inference.live import Live
from stream_app.inference.promotion import KEY, SHOWN
from stream_app.schemas import Promotion
from stream_app.settings import Settings, SettingsError

GRAPHS = Path(__file__).parents[1] / "inference" / "graphs"
TOPICS = [("delivery", ["it came late"]), ("price", ["too expensive"])]


class Place:
    """A root with signed bundles, and a worker's folder."""

    def __init__(self, folder: Path, variant: Callable[..., Path]) -> None:
        self.root = folder
        self.secret = folder / "key"
        public = signature.generate(self.secret, "")
        self.settings = Settings(
            bundle_root=str(folder), bundle_key=public, data_dir=str(folder / "data"),
            bundle_seconds=20,
        )  # fmt: skip
        self._variant = variant

    def bundle(self, name: str, graph: str = "", sign: bool = True, **config: object) -> Bundle:
        """The shipped bundle under another name, with a small graph instead of its own."""
        path = self._variant(name, **config)
        if graph:
            shutil.copyfile(GRAPHS / f"{graph}.onnx", path / "model.onnx")
            write_checksums(path)
        if sign:
            with signature.read_secret(self.secret) as secret:
                signature.sign(path, secret)
        return load(path)


@pytest.fixture
def place(tmp_path: Path, variant: Callable[..., Path]) -> Place:
    return Place(tmp_path, variant)


@pytest.fixture
def live(inference: Inference) -> Live:
    return Live(inference, TOPICS)


@pytest.fixture
def started(live: Live) -> Iterator[Callable[..., _Promoted]]:
    made: list[_Promoted] = []

    def start(settings: Settings, serving: Live = live) -> _Promoted:
        made.append(_Promoted(serving, settings))
        return made[-1]

    yield start
    for promoted in made:
        promoted.stop()


def announced(bundle: Bundle, **changed: Any) -> bytes:
    value = Promotion(bundle.version, bundle.sha256, 1.0, name=bundle.path.name)
    return schemas.encode(msgspec.structs.replace(value, **changed))


def refusals(reason: str) -> float:
    labels = {"reason": reason}
    return REGISTRY.get_sample_value("stream_app_refused_models_total", labels) or 0.0


async def test_a_signed_bundle_of_the_root_serves(
    place: Place, live: Live, started: Callable[..., _Promoted]
) -> None:
    new = place.bundle("next-1", "small")
    promoted = started(place.settings)
    promoted.take(KEY, announced(new))
    await promoted.settled()
    assert (live.version, live.behind, live.awaited) == (new.version, "", "")
    assert [good.version for good in Attempts(Path(place.settings.data_dir)).good] == [new.version]


async def test_a_path_of_an_earlier_version_is_taken_only_directly_in_the_root(
    place: Place, live: Live, started: Callable[..., _Promoted], tmp_path: Path
) -> None:
    new = place.bundle("next-1", "small")
    promoted = started(place.settings)
    for folder in (f"{tmp_path}/x/../next-1", "/etc", f"{tmp_path}/data/next-1", "next-1"):
        promoted.take(KEY, announced(new, name="", folder=folder))
        await promoted.settled()
        assert live.version != new.version and "(name)" in live.behind, folder
    promoted.take(KEY, announced(new, name="", folder=str(new.path)))
    await promoted.settled()
    assert live.version == new.version


@pytest.mark.parametrize("name", ["", "..", ".", "next-1/", "../next-1", "next-1\n", "a" * 129])
async def test_a_name_is_no_path(
    place: Place, live: Live, started: Callable[..., _Promoted], name: str
) -> None:
    new = place.bundle("next-1", "small")
    promoted = started(place.settings)
    promoted.take(KEY, announced(new, name=name))
    await promoted.settled()
    assert live.version != new.version and "(name)" in live.behind


async def test_a_link_in_the_root_is_not_followed(
    place: Place, live: Live, started: Callable[..., _Promoted], tmp_path: Path
) -> None:
    new = place.bundle("next-1", "small")
    (tmp_path / "elsewhere").mkdir()
    new.path.rename(tmp_path / "elsewhere" / "next-1")
    new.path.symlink_to(tmp_path / "elsewhere" / "next-1")
    promoted = started(place.settings)
    promoted.take(KEY, announced(new))
    await promoted.settled()
    assert live.version != new.version and "(folder)" in live.behind


@pytest.mark.parametrize("unset", ["bundle_root", "bundle_key"])
async def test_without_a_root_or_a_key_nothing_is_taken(
    place: Place, live: Live, started: Callable[..., _Promoted], unset: str
) -> None:
    new = place.bundle("next-1", "small")
    promoted = started(msgspec.structs.replace(place.settings, **{unset: ""}))
    promoted.take(KEY, announced(new))
    await promoted.settled()
    assert live.version != new.version and f"no {unset} is set" in live.behind


async def test_no_signature_and_that_of_a_stranger_are_refused(
    place: Place, live: Live, started: Callable[..., _Promoted], tmp_path: Path
) -> None:
    promoted = started(place.settings)
    unsigned = place.bundle("unsigned-1", "small", sign=False)
    stranger = place.bundle("stranger-1", "small", sign=False)
    signature.generate(tmp_path / "other", "")
    with signature.read_secret(tmp_path / "other") as secret:
        signature.sign(stranger.path, secret)
    before = refusals("signature")
    for count, bundle in enumerate((unsigned, stranger), 1):
        promoted.take(KEY, announced(bundle))
        await promoted.settled()
        assert live.version != bundle.version and "(signature)" in live.behind
        assert refusals("signature") == before + count


def test_a_key_that_is_none_is_one_line(place: Place, started: Callable[..., _Promoted]) -> None:
    with pytest.raises(SettingsError, match="bundle_key"):
        started(msgspec.structs.replace(place.settings, bundle_key="RWQnone"))


async def test_another_key_is_counted_and_changes_nothing(
    place: Place, live: Live, started: Callable[..., _Promoted]
) -> None:
    new = place.bundle("next-1", "small")
    promoted, before = started(place.settings), refusals("key")
    for key in (None, b"", b"topics", b"Sentiment"):
        promoted.take(key, announced(new))
    await promoted.settled()
    assert live.version != new.version and refusals("key") == before + 4


@pytest.mark.parametrize(("graph", "said"), [("endless", "not done"), ("greedy", "memory")])
async def test_a_graph_that_loops_or_eats_memory_is_refused_and_not_tried_again(
    place: Place, live: Live, started: Callable[..., _Promoted], graph: str, said: str
) -> None:
    old, bad = live.version, place.bundle("bad-1", graph)
    settings = msgspec.structs.replace(place.settings, bundle_seconds=6)
    promoted = started(settings)
    promoted.take(KEY, announced(bad))
    await promoted.settled()
    assert live.version == old and "(trial)" in live.behind and said in live.behind
    again = started(settings)
    again.take(KEY, announced(bad))
    await again.settled()
    assert live.version == old and "failed before" in live.behind
    # Announced anew it has another chance.
    anew = Announced("bad-1", bad.version, bad.sha256, 2.0)
    assert not Attempts(Path(settings.data_dir)).failure(anew)


async def test_answers_that_are_none_are_found_before_they_serve(
    place: Place, live: Live, started: Callable[..., _Promoted]
) -> None:
    crooked = place.bundle("crooked-1", "crooked")
    promoted = started(place.settings)
    promoted.take(KEY, announced(crooked))
    await promoted.settled()
    assert live.version != crooked.version and "unit length" in live.behind


async def test_another_tokenizer_or_config_is_another_version(
    place: Place, live: Live, started: Callable[..., _Promoted]
) -> None:
    first, second = place.bundle("next-1", "small"), place.bundle("next-2", "small")
    config = second.path / "config.json"
    body = json.loads(config.read_text()) | {"name": "next-1", "temperature": 3.0}
    config.write_text(json.dumps(body))
    write_checksums(second.path)
    with signature.read_secret(place.secret) as secret:
        signature.sign(second.path, secret)
    second = load(second.path)
    assert first.version != second.version
    promoted = started(place.settings)
    for bundle in (first, second):
        promoted.take(KEY, announced(bundle))
        await promoted.settled()
        assert live.version == bundle.version
    assert live.bundle.config.temperature == 3.0


async def test_after_two_ends_during_a_load_the_last_good_one_serves(
    place: Place, inference: Inference, started: Callable[..., _Promoted]
) -> None:
    good, bad = place.bundle("good-1", "small"), place.bundle("bad-1", "small")
    first = started(place.settings, Live(inference, TOPICS))
    first.take(KEY, announced(good))
    await first.settled()
    ended = Announced("bad-1", bad.version, bad.sha256, 1.0)
    for _ in range(ENDS):
        # What a worker leaves that ends here.
        Attempts(Path(place.settings.data_dir)).begun(ended)
    live = Live(inference, TOPICS)
    promoted = started(place.settings, live)
    promoted.take(KEY, announced(bad))
    await promoted.settled()
    assert live.version == good.version
    assert "(ends)" in live.behind and f"{good.version}, the last good one, serves" in live.behind
    assert REGISTRY.get_sample_value("stream_app_model_behind") == 1
    # Announced anew it has another chance, and the worker catches up.
    promoted.take(KEY, announced(bad, time=2.0))
    await promoted.settled()
    assert (live.version, live.behind) == (bad.version, "")
    assert REGISTRY.get_sample_value("stream_app_model_behind") == 0


async def test_a_worker_that_restarts_with_a_bad_promotion_serves_its_last_good_one(
    place: Place, inference: Inference, started: Callable[..., _Promoted]
) -> None:
    good = place.bundle("good-1", "small")
    first = started(place.settings, Live(inference, TOPICS))
    first.take(KEY, announced(good))
    await first.settled()
    live = Live(inference, TOPICS)
    promoted = started(place.settings, live)
    promoted.take(KEY, announced(good, name="gone"))
    await promoted.settled()
    assert live.version == good.version and "the last good one" in live.behind


async def test_a_load_leaves_a_trace_until_it_is_over(
    place: Place, started: Callable[..., _Promoted]
) -> None:
    """What is on disk while it is being tried is what is there should the worker end now."""
    bad = place.bundle("bad-1", "endless")
    this = Announced("bad-1", bad.version, bad.sha256, 1.0)
    promoted = started(place.settings)
    promoted.take(KEY, announced(bad))
    while promoted._trials._child is None:
        await asyncio.sleep(0.01)
    assert Attempts(Path(place.settings.data_dir)).ends(this) == 1


async def test_an_orderly_stop_during_a_load_counts_for_nothing(
    place: Place, started: Callable[..., _Promoted]
) -> None:
    bad = place.bundle("bad-1", "endless")
    promoted = started(place.settings)
    promoted.take(KEY, announced(bad))
    while promoted._trials._child is None:
        await asyncio.sleep(0.01)
    promoted.stop()
    await promoted.settled()
    this = Announced("bad-1", bad.version, bad.sha256, 1.0)
    attempts = Attempts(Path(place.settings.data_dir))
    assert (attempts.ends(this), attempts.failure(this)) == (0, "")


async def test_fields_cannot_forge_a_line(
    place: Place, live: Live, started: Callable[..., _Promoted], caplog: pytest.LogCaptureFixture
) -> None:
    new = place.bundle("next-1", "small")
    forged = "x\n2026-01-01 WARNING model evil serves\x1b[2K\u2028" + "y" * 5000
    promoted = started(place.settings)
    changes: list[dict[str, Any]] = [
        {"name": forged}, {"name": "", "folder": forged}, {"version": forged}
    ]  # fmt: skip
    for changed in changes:
        promoted.take(KEY, announced(new, **changed))
        await promoted.settled()
    promoted.take(forged.encode(), announced(new))
    said = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(said) == 4
    assert all(text.isprintable() and len(text) < SHOWN + 300 for text in said)
    assert live.behind.isprintable()


def test_what_signs_a_bundle_signs_every_file(place: Place) -> None:
    bundle = place.bundle("next-1", "small")
    keys = signature.trusted(place.settings)
    signature.check(bundle.path, bundle.sha256, keys)
    assert set(bundle.path.iterdir()) >= {bundle.path / CHECKSUMS}
    tokenizer = bundle.path / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    write_checksums(bundle.path)
    with pytest.raises(Exception, match="not signed"):
        signature.check(bundle.path, load(bundle.path).sha256, keys)
