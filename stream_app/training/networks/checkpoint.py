"""A checkpoint: a folder of `weights.safetensors`, `tokenizer.json` and `training.json`."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertConfig, BertModel

from stream_app.training.model import provenance
from stream_app.training.model.data import Row
from stream_app.training.networks.fitting import Schedule
from stream_app.training.networks.network import SentimentModel

LAYER = "encoder.encoder.layer."


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder is a checkpoint, not a plain BERT."""
    return (folder / "training.json").exists()


def read_checkpoint(
    folder: Path, layers: Sequence[int] | None = None, dropout: float = 0.0
) -> tuple[SentimentModel, dict[str, Tensor]]:
    """The model of a checkpoint with the given layers (all by default), and what its
    embeddings share: `centre` and `directions`."""
    body = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "weights.safetensors")
    shared = {name: weights.pop(name) for name in ("centre", "directions")}
    layers = range(body["layers"]) if layers is None else layers
    kept = {k: v for k, v in weights.items() if not k.startswith(LAYER)}
    for new, old in enumerate(layers):
        start = f"{LAYER}{old}."
        of_layer = [k for k in weights if k.startswith(start)]
        kept |= {f"{LAYER}{new}.{k.removeprefix(start)}": weights[k] for k in of_layer}
    vocabulary, hidden = weights["encoder.embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=body["heads"],
        intermediate_size=len(weights[f"{LAYER}0.intermediate.dense.bias"]),
        max_position_embeddings=len(weights["encoder.embeddings.position_embeddings.weight"]),
        type_vocab_size=len(weights["encoder.embeddings.token_type_embeddings.weight"]),
        layer_norm_eps=body["epsilon"],
        pad_token_id=body["pad_id"],
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=0.0,
    )
    encoder = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    model = SentimentModel(encoder, hidden)
    model.load_state_dict(kept)
    return model, shared


def without_shared(means: Tensor, shared: Mapping[str, Tensor]) -> Tensor:
    """Embedding before it is scaled to length 1: the mean less what all texts share."""
    centred = means.float() - shared["centre"]
    return centred - centred @ shared["directions"].T @ shared["directions"]


def write_checkpoint(
    out: Path,
    base: Path,
    model: SentimentModel,
    shared: dict[str, np.ndarray],
    temperature: float,
    metrics: dict[str, float],
    rows: Sequence[Row],
    recipe: Schedule,
) -> None:
    """Folder of `weights.safetensors`, `tokenizer.json` and `training.json`."""
    out.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().contiguous().float().cpu() for k, v in model.state_dict().items()}
    state |= {name: torch.from_numpy(value) for name, value in shared.items()}
    save_file(state, out / "weights.safetensors")
    shutil.copyfile(base / "tokenizer.json", out / "tokenizer.json")
    made = provenance.of_run(base, rows)
    config = model.config
    body = {
        "max_tokens": recipe.max_tokens,
        "heads": config.num_attention_heads,
        "layers": config.num_hidden_layers,
        "epsilon": config.layer_norm_eps,
        "pad_id": int(config.pad_token_id or 0),
        "temperature": temperature,
        "held_out": metrics,
        "sources": {source.name: source.rows for source in made.data},
        "provenance": provenance.as_stated(made),
        "recipe": asdict(recipe),
    }
    (out / "training.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
