"""What a training run can be told besides its rows; needs the train extra."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_app.inference.bundle import load
from stream_app.inference.runtime import Model
from stream_app.training.model.corpus import training_rows
from stream_app.training.model.data import Row, hard_target
from tests import needs
from tests.training.model.checkpoints import run, weights

FEW = ("--limit", "200", "--epochs", "1", "--threads", "1", "--save-every", "0")


@pytest.fixture(scope="module")
def base(tiny_bert: Callable[[Path, int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"), 2)


@pytest.fixture(scope="module")
def general(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    run("train", "--base", base, "--out", folder, "--max-tokens", "32", *FEW)
    return folder


def trained(base: Path, out: Path, held_out: list[Row] | None = None, **options: Any) -> Any:
    """Weights after a short run with the options, and its metrics."""
    from stream_app.training.networks.training import Recipe, train

    rows = training_rows(None)[:160]
    recipe = Recipe(max_tokens=32, threads=1, learning_rate=1e-3, **options)
    metrics = train(base, rows, held_out or rows[:20], out, recipe)
    return weights(out), metrics


def test_a_domain_goes_on_from_a_checkpoint_and_keeps_its_space(
    general: Path, tmp_path: Path
) -> None:
    data = tmp_path / "stars.csv"
    lines = [f"好评第{i}条,5\n差评第{i}条,1\n" for i in range(60)]
    data.write_text("body,stars\n" + "".join(lines), "utf-8")
    said = run("train", "--base", general, "--out", tmp_path / "mine", "--data", data,
               "--text-column", "body", "--label-column", "stars", *FEW)  # fmt: skip
    assert "rows to train on" in said
    before, after = weights(general), weights(tmp_path / "mine")
    for shared in ("centre", "directions"):
        assert np.array_equal(before[shared], after[shared])
    assert not np.array_equal(before["classify.weight"], after["classify.weight"])
    sources = json.loads((tmp_path / "mine" / "training.json").read_text())["sources"]
    assert set(sources) == {"stars.csv"}


def test_lora_changes_queries_keys_and_values_alone(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    needs.module("peft", "train")
    after, _ = trained(base, tmp_path / "lora", lora_rank=2)
    encoder = AutoModel.from_pretrained(base, add_pooling_layer=False)
    changed = {
        name.rsplit(".", 2)[-2]
        for name, value in encoder.state_dict().items()
        if not np.allclose(after[f"encoder.{name}"], value.float().numpy(), atol=1e-6)
    }
    assert changed == {"query", "key", "value"}


def test_the_adversarial_shift_changes_what_is_learnt(base: Path, tmp_path: Path) -> None:
    plain, _ = trained(base, tmp_path / "plain", dropout=0.0)
    hardened, _ = trained(base, tmp_path / "hardened", dropout=0.0, adversarial=1.0)
    assert not np.allclose(plain["classify.weight"], hardened["classify.weight"], atol=1e-5)


def test_early_stopping_keeps_the_best_weights(base: Path, tmp_path: Path) -> None:
    # Held-out rows with the labels turned round get worse with every step.
    turned = [
        Row(row.text, hard_target("negative" if row.label else "positive"), "turned")
        for row in training_rows(None)[:40]
    ]
    options: dict[str, Any] = {"epochs": 40.0, "dropout": 0.0, "batch_rows": 16}
    _, stopped = trained(base, tmp_path / "s", turned, check_every=1, patience=2, **options)
    _, went_on = trained(base, tmp_path / "w", turned, **options)
    assert stopped["train_minutes"] <= went_on["train_minutes"]
    assert stopped["accuracy"] > went_on["accuracy"]


def test_losses_are_logged_for_tensorboard(base: Path, general: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(general / "logs"))
    events.Reload()
    assert {"loss", "anchor"} <= set(events.Tags()["scalars"])


def test_only_sure_pseudo_labels_are_trained_on(general: Path, tmp_path: Path) -> None:
    texts = tmp_path / "many.txt"
    texts.write_text("\n".join(f"text number {i}" for i in range(40)), "utf-8")
    start = ("train", "--base", general, "--texts", texts, "--labeller", general, *FEW)
    assert "0 of " in run(*start, "--sure", "1.0", "--out", tmp_path / "none")
    run(*start, "--sure", "0.0", "--out", tmp_path / "all")
    sources = json.loads((tmp_path / "all" / "training.json").read_text())["sources"]
    assert sources["pseudo-many.txt"] > 30
    assert "needs --labeller" in run(*start[:5], "--out", tmp_path / "o", *FEW, code=2)


def test_a_search_writes_a_recipe_that_trains_and_goes_on(base: Path, tmp_path: Path) -> None:
    needs.module("optuna", "train")
    few = ("--limit", "60", "--epochs", "1", "--threads", "1")
    for _ in range(2):
        run("search", "--base", base, "--out", tmp_path / "found", "--trials", "1", *few)
    import optuna

    study = optuna.load_study(
        study_name="recipe", storage=f"sqlite:///{tmp_path / 'found' / 'search.db'}"
    )
    assert len(study.trials) == 2
    recipe = tmp_path / "found" / "recipe.toml"
    run("train", "--base", base, "--recipe", recipe, "--out", tmp_path / "o", *few)


@pytest.mark.parametrize("options", [("int8",), ("float16",), ("float16", "--standard")])
def test_quantised_bundles_say_what_float32_says(
    general: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    precision = options[0]
    run("export", general, tmp_path / "exact")
    run("quantise", general, tmp_path / "small", "--precision", *options)
    exact, small = (Model(load(tmp_path / name)) for name in ("exact", "small"))
    assert small.bundle.graph.stat().st_size < 0.6 * exact.bundle.graph.stat().st_size
    encodings = exact.encode(["很好", "The parcel came late, as always."])
    ours, theirs = small.infer(encodings), exact.infer(encodings)
    assert np.allclose(ours.probabilities, theirs.probabilities, atol=0.02)
    metrics = json.loads((tmp_path / "small" / "metrics.json").read_text())
    assert metrics[f"{precision}_against_float32"]["agreement"] >= 0.96
    import onnx

    domains = {node.domain for node in onnx.load(small.bundle.graph).graph.node}
    assert small.bundle.config.standard == (len(options) == 2) == (domains == {""})


def test_int8_has_no_standard_graph(general: Path, tmp_path: Path) -> None:
    said = run("quantise", general, tmp_path / "small", "--standard", code=2)
    assert "--standard needs --precision float16" in said
    assert not (tmp_path / "small").exists()


def test_a_graph_that_strays_from_torch_is_not_exported(general: Path, tmp_path: Path) -> None:
    from stream_app.training.networks import export

    probes = [row.text for row in training_rows(None)[:4]]
    run("export", general, tmp_path / "exact")
    other = tmp_path / "other"
    run("train", "--base", general, "--out", other, "--max-tokens", "32", "--seed", "3", *FEW)
    with pytest.raises(export.FidelityError, match="strays from torch"):
        export.against_torch(other, load(tmp_path / "exact"), probes)
