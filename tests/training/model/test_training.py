"""Training and export on a tiny random BERT; needs the train extra."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from stream_app.commands.model import model
from stream_app.inference.bundle import default_bundle, load
from stream_app.inference.runtime import Model
from tests import needs


@pytest.fixture
def base(tiny_bert: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    needs.module("onnx", "train")
    return tiny_bert(tmp_path / "tiny", 2)


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(model, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_checkpoint_becomes_a_bundle_that_says_what_torch_says(
    base: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel

    from stream_app.training.networks.network import SentimentModel, pad

    checkpoint, out = tmp_path / "checkpoint", tmp_path / "tiny-1"
    run("train", "--base", base, "--out", checkpoint, "--limit", "96", "--epochs", "1",
        "--max-tokens", "32")  # fmt: skip
    run("export", checkpoint, out)
    served = Model(load(out))
    encodings = served.encode(["很好", "The parcel came late, as always.", "x" * 400])
    outputs = served.infer(encodings)

    weights = load_file(checkpoint / "weights.safetensors")
    centre, directions = weights.pop("centre"), weights.pop("directions")
    encoder = AutoModel.from_pretrained(base, add_pooling_layer=False, dtype=torch.float32)
    network = SentimentModel(encoder, encoder.config.hidden_size)
    network.load_state_dict(weights)
    network.eval()
    with torch.inference_mode():
        logits, means = network(*pad(encodings, 1))
    own = means - centre
    own = own - own @ directions.T @ directions
    temperature = json.loads((checkpoint / "training.json").read_text())["temperature"]
    expected = torch.softmax(logits / temperature, -1).numpy()
    assert np.allclose(outputs.probabilities, expected, atol=1e-5)
    normed = torch.nn.functional.normalize(own, dim=-1).numpy()
    assert np.allclose(outputs.embedding, normed, atol=1e-4)


def test_evaluate_writes_what_card_reads(tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(default_bundle(), folder)
    labelled, results = tmp_path / "few.jsonl", tmp_path / "results.json"
    labelled.write_text('{"text": "很好", "label": 1}\n{"text": "bad", "label": 0}\n', "utf-8")
    wrong, more = tmp_path / "wrong.jsonl", tmp_path / "more.json"
    wrong.write_text('{"text": "Bad | awful", "label": 1}\n{"text": "bad", "label": 0}\n', "utf-8")
    run("evaluate", "--bundle", folder, "--out", results, "--data", labelled)
    run("evaluate", "--bundle", folder, "--out", more, "--data", wrong, "--errors")
    assert json.loads(results.read_text())["sets"]["few"]["accuracy"] == 1.0
    run("card", folder, results, more)
    card = (folder / "README.md").read_text("utf-8")
    assert "| few | 2 | 1.000 |" in card
    assert "### Misread of wrong" in card and "### Misread of few" not in card
    assert "| Bad / awful | positive | negative |" in card


def test_serving_never_imports_torch() -> None:
    program = (
        "import sys, stream_app.agents.worker, stream_app.pipeline, stream_app.commands.main\n"
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
