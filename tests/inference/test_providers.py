"""Which provider runs a bundle, and that binding inputs and outputs changes nothing."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from stream_app.inference import providers
from stream_app.inference.bundle import Bundle, default_bundle, load, write_checksums
from stream_app.inference.providers import (
    CPU,
    CUDA,
    ORDER,
    TENSORRT,
    options_for,
    why_incompatible,
    why_unavailable,
)
from stream_app.inference.runtime import Model
from tests import needs
from tests.training.model.checkpoints import run

TEXTS = ["很好", "The parcel came late, as always.", "还行吧，就是快递慢了点。", "fine"]
CARD = why_unavailable(CUDA) is None
needs_card = pytest.mark.skipif(not CARD, reason=f"{needs.CARD}{why_unavailable(CUDA)}")


def with_config(folder: Path, old: str, new: str) -> Bundle:
    """The shipped bundle, its config changed."""
    for file in default_bundle().iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = folder / "config.json"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    write_checksums(folder)
    return load(folder)


@pytest.fixture(scope="module")
def floats(
    tiny_bert: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Bundles of one tiny network in float32, float16 and float16 of standard operators."""
    folder = tmp_path_factory.mktemp("floats")
    base, checkpoint = tiny_bert(folder / "base", 2), folder / "checkpoint"
    few = ("--limit", "60", "--epochs", "1", "--threads", "1", "--save-every", "0")
    run("train", "--base", base, "--out", checkpoint, "--max-tokens", "32", *few)
    from stream_app.commands.model.bundles import DEFAULT_TOPICS
    from stream_app.training.networks.export import export

    for name, precision in (("exact", "float32"), ("half", "float16"), ("standard", "float16")):
        standard = name == "standard"
        export(checkpoint, folder / name, name, precision, DEFAULT_TOPICS, TEXTS, standard)
    return {name: folder / name for name in ("exact", "half", "standard")}


def test_bound_and_plain_runs_are_equal(shipped: Model) -> None:
    ids, mask = shipped.pad(shipped.encode(TEXTS))
    bound = shipped.run(ids, mask)
    feeds = {"input_ids": ids, "attention_mask": mask}
    plain = shipped.session.run(["logits", "pooled"], feeds)
    for ours, theirs in zip(bound, plain, strict=True):
        assert np.array_equal(ours, theirs)
    # The next run leaves what the last one returned alone.
    kept = [array.copy() for array in bound]
    shipped.run(ids[::-1].copy(), mask[::-1].copy())
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(bound, kept, strict=True))


def test_int8_runs_on_the_cpu_whatever_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = Model(load(default_bundle()), first="tensorrt")
    assert model.provider == CPU
    assert not caplog.records, "nobody is warned of what was never to be"


def test_only_graphs_of_standard_operators_go_to_tensorrt(tmp_path: Path) -> None:
    own = with_config(tmp_path, '"precision": "int8"', '"precision": "float16"')
    assert why_incompatible(CUDA, own) is None
    assert "--standard" in str(why_incompatible(TENSORRT, own))
    (tmp_path / "other").mkdir()
    new = '"standard": true,\n "precision": "float16"'
    assert (
        why_incompatible(TENSORRT, with_config(tmp_path / "other", '"precision": "int8"', new))
        is None
    )


def test_tensorrt_has_one_engine_for_every_batch_and_a_folder_for_each_version(
    tmp_path: Path,
) -> None:
    bundle = load(default_bundle())
    given = options_for(TENSORRT, bundle, tmp_path)
    limit = bundle.config.max_tokens
    assert f"input_ids:{providers.MAX_ROWS}x{limit}" in given["trt_profile_max_shapes"]
    assert given["trt_fp16_enable"] is False
    assert Path(given["trt_engine_cache_path"]) == tmp_path / bundle.version
    assert Path(given["trt_engine_cache_path"]).is_dir()
    assert "trt_engine_cache_enable" not in options_for(TENSORRT, bundle, None)


def test_onnxruntime_knows_every_option(tmp_path: Path) -> None:
    """TensorRT's names are strings in its library, which refuses the others where it runs."""
    library = Path(ort.__file__).parent / "capi" / "libonnxruntime_providers_tensorrt.so"
    if not library.exists():
        needs.unavailable("this package has no TensorRT provider")
    data = library.read_bytes()
    for name in options_for(TENSORRT, load(default_bundle()), tmp_path):
        assert name.encode() + b"\0" in data, name


@pytest.mark.skipif(CARD, reason=f"{needs.CARD}there is a card")
@pytest.mark.parametrize("first", ["tensorrt", "cuda", "cpu"])
def test_without_a_card_floats_run_on_the_cpu(floats: dict[str, Path], first: str) -> None:
    model = Model(load(floats["standard"]), first=first)  # type: ignore[arg-type]
    assert (model.provider, model.threads > 0) == (CPU, True)


def test_a_provider_that_fails_gives_way_to_the_next(
    floats: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver that shows a card is not yet one that works: here neither TensorRT's libraries
    nor CUDA's are there, or the card does the work."""
    if {CUDA, TENSORRT} - set(ort.get_available_providers()):
        needs.unavailable("this package has no CUDA provider")
    monkeypatch.setattr(providers, "cuda_devices", lambda: 1)
    monkeypatch.setattr(providers, "load_libraries", lambda: None)
    model = Model(load(floats["standard"]), first="tensorrt")
    if model.provider != TENSORRT:
        said = " ".join(record.getMessage() for record in caplog.records)
        assert TENSORRT in said
        assert (CUDA in said) == (model.provider == CPU)
    assert np.isfinite(model.infer(model.encode(TEXTS)).probabilities).all()


@needs_card
@pytest.mark.parametrize(("name", "first"), [
    ("exact", "cuda"), ("half", "cuda"), ("standard", "cuda"), ("standard", "tensorrt"),
])  # fmt: skip
def test_a_card_says_what_the_cpu_says(
    floats: dict[str, Path], tmp_path: Path, name: str, first: providers.First
) -> None:
    exact = Model(load(floats["exact"]), first="cpu")
    model = Model(load(floats[name]), first=first, engines=tmp_path)
    if model.provider != ORDER[first]:
        pytest.skip(f"{needs.CARD}the session got {model.provider}")
    ours, theirs = (m.infer(m.encode(TEXTS)) for m in (model, exact))
    assert np.allclose(ours.probabilities, theirs.probabilities, atol=0.02)
    assert ((ours.embedding * theirs.embedding).sum(axis=1) > 0.99).all()
