"""Checkpoints to bundles: graph, config, measured fidelity, card and checksums."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from safetensors.numpy import load_file

from models import card
from models.batching import Inference
from models.bundle import Bundle, Config, TopicCalibration, load, write_checksums
from models.data import LABELS
from models.graph import build
from models.runtime import Model

# Least agreement with float32 on labels, and least mean cosine of embeddings, to ship int8.
AGREEMENT, COSINE = 0.96, 0.97


class FidelityError(Exception):
    """The int8 graph strays too far from the float32 one to be shipped."""


def export(
    checkpoint: Path,
    out: Path,
    name: str,
    precision: str,
    topics: TopicCalibration,
    probes: Sequence[str],
) -> Bundle:
    """Write the bundle folder `out` and return it verified.

    An int8 graph is compared with the float32 one on `probes`; raises FidelityError when it
    strays, and FileExistsError when `out` is there already.
    """
    training = json.loads((checkpoint / "training.json").read_text(encoding="utf-8"))
    weights = load_file(checkpoint / "weights.safetensors")
    config = Config(
        name=name,
        labels=list(LABELS),
        max_tokens=training["max_tokens"],
        pad_id=training["pad_id"],
        pooling="attention+mean",
        precision="float32",
        temperature=training["temperature"],
        dimensions=weights["centre"].shape[0],
        topics=topics,
    )
    metrics: dict[str, Any] = {"held_out": training["held_out"], "sources": training["sources"]}

    def write(folder: Path, config: Config, metrics: dict[str, Any]) -> Bundle:
        folder.mkdir(parents=True)
        model = build(
            weights,
            training["layers"],
            training["heads"],
            training["max_tokens"],
            training["epsilon"],
            int8=config.precision == "int8",
        )
        onnx.checker.check_model(model)
        onnx.save(model, str(folder / "model.onnx"))
        shutil.copyfile(checkpoint / "tokenizer.json", folder / "tokenizer.json")
        body = msgspec.json.format(msgspec.json.encode(config), indent=1)
        (folder / "config.json").write_bytes(body + b"\n")
        card.write(folder, config, metrics)
        write_checksums(folder)
        return load(folder)

    if precision == "float32":
        return write(out, config, metrics)
    reference = checkpoint / "float32"
    if reference.exists():
        shutil.rmtree(reference)
    exact = write(reference, config, metrics)
    bundle = write(out, msgspec.structs.replace(config, precision="int8"), metrics)
    fidelity = compare(exact, bundle, probes)
    shutil.rmtree(reference)
    if fidelity["agreement"] < AGREEMENT or fidelity["cosine"] < COSINE:
        shutil.rmtree(out)
        raise FidelityError(f"int8 strays from float32: {fidelity}")
    card.write(out, bundle.config, metrics | {"int8_against_float32": fidelity})
    write_checksums(out)
    return load(out)


def compare(exact: Bundle, bundle: Bundle, texts: Sequence[str]) -> dict[str, float]:
    """Share of equal labels, mean |difference| of intensity, mean and least cosine."""
    first, second = (Inference(Model(b)).infer(texts) for b in (exact, bundle))
    cosines = (first.embedding * second.embedding).sum(axis=1)
    same = first.probabilities.argmax(axis=1) == second.probabilities.argmax(axis=1)
    return {
        "texts": len(texts),
        "agreement": round(float(same.mean()), 4),
        "intensity": round(float(np.abs(first.intensity - second.intensity).mean()), 4),
        "cosine": round(float(cosines.mean()), 4),
        "least_cosine": round(float(cosines.min()), 4),
    }
