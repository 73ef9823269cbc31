"""Checkpoints to bundles: graph, config, measured fidelity, card and checksums."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from safetensors.numpy import load_file

from stream_app.inference.batching import Inference
from stream_app.inference.bundle import Bundle, Config, TopicCalibration, load, write_checksums
from stream_app.inference.runtime import Model
from stream_app.training.model import card
from stream_app.training.model.data import LABELS
from stream_app.training.networks.graph import build

# Least agreement with float32 on labels, and least mean cosine of embeddings, to be shipped.
AGREEMENT, COSINE = 0.96, 0.97
# Most that any output of the float32 graph may differ from the network's in torch.
TOLERANCE = 1e-4
# Nodes that stay float32 in a float16 graph: sums over tokens and lengths overflow or lose digits.
KEPT = ["LayerNormalization", "ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2", "Softmax"]
# Texts that the graph is compared with torch on.
COMPARED = 64


class FidelityError(Exception):
    """A graph strays too far from what it was made of to be shipped."""


def export(
    checkpoint: Path,
    out: Path,
    name: str,
    precision: str,
    topics: TopicCalibration,
    probes: Sequence[str],
    standard: bool = False,
) -> Bundle:
    """Write the bundle folder `out` and return it verified.

    The float32 graph is compared with the network in torch, an int8 or float16 one with the
    float32 one, on `probes`. `standard`: see `graph`; not in int8. Raises FidelityError
    when it strays, and FileExistsError when `out` is there already.
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
    kept = ("held_out", "sources", "provenance")
    metrics: dict[str, Any] = {name: training[name] for name in kept if name in training}

    def write(folder: Path, config: Config, metrics: dict[str, Any]) -> Bundle:
        folder.mkdir(parents=True)
        model = build(
            weights,
            training["layers"],
            training["heads"],
            training["max_tokens"],
            training["epsilon"],
            int8=config.precision == "int8",
            standard=config.standard,
        )
        if config.precision == "float16":
            model = convert_float_to_float16(model, keep_io_types=True, op_block_list=KEPT)
            OnnxModel(model).topological_sort()
        onnx.checker.check_model(model)
        onnx.save(model, str(folder / "model.onnx"))
        shutil.copyfile(checkpoint / "tokenizer.json", folder / "tokenizer.json")
        body = msgspec.json.format(msgspec.json.encode(config), indent=1)
        (folder / "config.json").write_bytes(body + b"\n")
        card.write(folder, config, metrics)
        write_checksums(folder)
        return load(folder)

    if precision == "float32":
        bundle = write(out, config, metrics)
        try:
            metrics["float32_against_torch"] = against_torch(checkpoint, bundle, probes[:COMPARED])
        except FidelityError:
            shutil.rmtree(out)
            raise
        card.write(out, config, metrics)
        write_checksums(out)
        return load(out)
    reference = checkpoint / "float32"
    if reference.exists():
        shutil.rmtree(reference)
    exact = write(reference, config, metrics)
    bundle = write(
        out, msgspec.structs.replace(config, precision=precision, standard=standard), metrics
    )
    fidelity = compare(exact, bundle, probes)
    shutil.rmtree(reference)
    if fidelity["agreement"] < AGREEMENT or fidelity["cosine"] < COSINE:
        shutil.rmtree(out)
        raise FidelityError(f"{precision} strays from float32: {fidelity}")
    card.write(out, bundle.config, metrics | {f"{precision}_against_float32": fidelity})
    write_checksums(out)
    return load(out)


def against_torch(checkpoint: Path, bundle: Bundle, texts: Sequence[str]) -> dict[str, float]:
    """Most that logits and embeddings differ from the checkpoint's network in torch.

    Raises FidelityError beyond `TOLERANCE`.
    """
    import torch

    from stream_app.training.networks.checkpoint import read_checkpoint, without_shared
    from stream_app.training.networks.network import pad

    network, shared = read_checkpoint(checkpoint)
    network.eval()
    # A GPU rounds the products of float32 to ten bits.
    served = Model(bundle, first="cpu")
    ids, mask = pad(served.encode(texts), bundle.config.pad_id)
    with torch.inference_mode():
        logits, means = network(ids, mask)
        own = torch.nn.functional.normalize(without_shared(means, shared), dim=-1)
    session = served.run(ids.numpy(), mask.numpy())
    differences = {
        name: float(np.abs(ours - theirs.numpy()).max())
        for name, ours, theirs in zip(("logits", "pooled"), session, (logits, own), strict=True)
    }
    if max(differences.values()) > TOLERANCE:
        raise FidelityError(f"the graph strays from torch: {differences}")
    return {"texts": len(texts)} | {n: round(v, 7) for n, v in differences.items()}


def compare(exact: Bundle, bundle: Bundle, texts: Sequence[str]) -> dict[str, float]:
    """Share of equal labels, mean |difference| of intensity, mean and least cosine."""
    first, second = (Inference(Model(b, first="cpu")).infer(texts) for b in (exact, bundle))
    cosines = (first.embedding * second.embedding).sum(axis=1)
    same = first.probabilities.argmax(axis=1) == second.probabilities.argmax(axis=1)
    return {
        "texts": len(texts),
        "agreement": round(float(same.mean()), 4),
        "intensity": round(float(np.abs(first.intensity - second.intensity).mean()), 4),
        "cosine": round(float(cosines.mean()), 4),
        "least_cosine": round(float(cosines.min()), 4),
    }
