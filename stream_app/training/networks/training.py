"""Fine-tuning: a BERT encoder with a sentiment head and an embedding kept near its base.

Fine-tuning for sentiment alone would pull the mean of the states apart by polarity, so an
anchor loss keeps its centred direction near the frozen base's. Going on from a checkpoint (for
a domain's own labels), head, centre and directions stay the checkpoint's, so vectors stored
under it stay comparable. Written as a checkpoint that `export` turns into a bundle.
"""

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel

from stream_app.inference.measures import fit_temperature, summary
from stream_app.inference.tokens import Encoding, TextEncoder
from stream_app.training.model.centring import is_chinese, polarity, shared_part
from stream_app.training.model.data import Row
from stream_app.training.networks.checkpoint import is_checkpoint, read_checkpoint, write_checkpoint
from stream_app.training.networks.fitting import Losses, Saving, Schedule, fit, planned
from stream_app.training.networks.network import (
    SentimentModel,
    device,
    masked_mean,
    mixed_precision,
    pad,
    predict,
    to_device,
)


@dataclass(frozen=True)
class Recipe(Schedule):
    """Fine-tuning of a base, its embedding anchored."""

    anchor_weight: float = 1.0
    anchor_every: int = 3
    dropout: float = 0.1
    adversarial: float = 0.0
    """Length of the shift of the word embeddings against which the answer must hold (the fast
    gradient method of Miyato et al., ICLR 2017, taken per text); 0: none."""
    lora_rank: int = 0
    """Rank of low-rank updates of queries, keys and values (Hu et al., ICLR 2022), merged into
    the weights at the end; 0: all weights of the layers are trained."""


def label_loss(
    rows: Sequence[Row], smoothing: float, balance: float = 0.0
) -> Callable[[list[int], Tensor], Tensor]:
    """Weighted cross-entropy of a batch's logits; rows of weight 0 have no label.

    Each row counts by its class's weight in all rows to the power of -`balance`.
    """
    targets = torch.tensor([row.target for row in rows]) * (1 - smoothing) + smoothing / 3
    weights = torch.tensor([row.weight for row in rows])
    classes = torch.tensor([row.label for row in rows])
    sums = torch.zeros(3).scatter_add_(0, classes, weights).clamp(min=1e-6)
    weights = weights * (sums.mean() / sums)[classes] ** balance

    def loss(batch: list[int], logits: Tensor) -> Tensor:
        goal, weight = targets[batch].to(logits.device), weights[batch].to(logits.device)
        each = -(goal * F.log_softmax(logits.float(), -1)).sum(-1)
        return (each * weight).sum() / weight.sum().clamp(min=1e-6)

    return loss


def starting_point(base: Path, recipe: Recipe) -> tuple[SentimentModel, dict[str, Tensor] | None]:
    """The model to train, and what a checkpoint's embeddings share; a plain BERT has no such."""
    shared = None
    if is_checkpoint(base):
        model, shared = read_checkpoint(base, dropout=recipe.dropout)
    else:
        encoder = AutoModel.from_pretrained(
            str(base), add_pooling_layer=False, dtype=torch.float32,
            hidden_dropout_prob=recipe.dropout, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        model = SentimentModel(encoder, encoder.config.hidden_size)
    # The word table keeps the base's alignment of languages, and costs nothing to update.
    model.encoder.get_input_embeddings().requires_grad_(False)
    return model, shared


def with_lora(model: SentimentModel, rank: int) -> SentimentModel:
    """The model with its encoder frozen but for updates of that rank."""
    from peft import LoraConfig, get_peft_model

    wanted = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["query", "key", "value"])
    model.encoder = get_peft_model(model.encoder, wanted)
    return model


def train(
    base: Path,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    out: Path,
    recipe: Recipe,
    saving: Saving | None = None,
) -> dict[str, float]:
    """Fine-tune `base` on `rows`, measure on `held_out`, write the checkpoint folder `out`.

    Returns the held-out metrics. `base` is a local folder: a BERT or a checkpoint. Raises
    `resume.StateError` where `saving` resumes another run's state.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    where = device()
    model, shared = starting_point(base, recipe)
    to_device(model, where)
    frozen = deepcopy(model.encoder).bfloat16().train(False)
    if recipe.lora_rank:
        model = with_lora(model, recipe.lora_rank).to(where)
    config = model.config
    recipe = replace(recipe, max_tokens=min(recipe.max_tokens, config.max_position_embeddings))
    pad_id = int(config.pad_token_id or 0)
    text_encoder = TextEncoder(base / "tokenizer.json", recipe.max_tokens)
    encodings = text_encoder.encode([row.text for row in rows])
    plan = planned([len(e) for e in encodings], recipe, rng)
    labels = label_loss(rows, recipe.smoothing, recipe.balance)

    def padded(batch: list[int]) -> tuple[Tensor, Tensor]:
        ids, mask = pad([encodings[i] for i in batch], pad_id)
        return ids.to(where), mask.to(where)

    def base_means(batch: list[int]) -> Tensor:
        ids, mask = padded(batch)
        with torch.inference_mode():
            states = frozen(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            return masked_mean(states, mask).clone()

    base_centre = torch.cat([base_means(b) for b in rng.sample(plan, min(16, len(plan)))]).mean(0)

    def losses(step: int, batch: list[int]) -> Losses:
        ids, mask = padded(batch)
        words = model.words(ids)
        if recipe.adversarial:
            words = words.detach().requires_grad_()
        with mixed_precision(where):
            logits, means = model(words, mask)
        loss = labels(batch, logits)
        shown = {"loss": loss}
        if recipe.adversarial:
            (slope,) = torch.autograd.grad(loss, words, retain_graph=True)
            length = slope.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
            with mixed_precision(where):
                shifted, _ = model(words.detach() + recipe.adversarial * slope / length, mask)
            shown["adversarial"] = labels(batch, shifted)
            loss = loss + shown["adversarial"]
        if step % recipe.anchor_every == 0:
            goal = base_means(batch) - base_centre
            shown["anchor"] = 1 - F.cosine_similarity(means.float() - base_centre, goal).mean()
            loss = loss + recipe.anchor_weight * recipe.anchor_every * shown["anchor"]
        return loss, shown

    held_encodings = text_encoder.encode([row.text for row in held_out])
    held_loss = label_loss(held_out, recipe.smoothing)

    def validation_loss() -> float:
        logits, _ = predict(model, held_encodings, pad_id)
        return float(held_loss(list(range(len(held_out))), torch.from_numpy(logits)))

    seconds = fit(model, plan, losses, recipe, saving, validation_loss)
    if recipe.lora_rank:
        adapted: Any = model.encoder  # of peft, which has no types
        model.encoder = adapted.merge_and_unload()
    temperature, metrics = measure(model, text_encoder, held_out, pad_id)
    metrics["train_minutes"] = round(seconds / 60, 1)
    if shared is None:
        means, drawn = language_sample(model, rows, encodings, pad_id, rng)
        chinese = np.array([is_chinese(row.text) for row in drawn])
        classes = np.array([row.label if row.weight else 1 for row in drawn])
        centre, directions = shared_part(means, chinese)
        apart = polarity(means, classes, chinese, centre, directions)
        directions = np.concatenate([directions, apart])
    else:
        centre, directions = shared["centre"].numpy(), shared["directions"].numpy()
    arrays = {"centre": centre, "directions": directions}
    write_checkpoint(out, base, model, arrays, temperature, metrics, rows, recipe)
    if saving is not None:
        saving.file.unlink(missing_ok=True)
    return metrics


def measure(
    model: SentimentModel, text_encoder: TextEncoder, held_out: Sequence[Row], pad_id: int
) -> tuple[float, dict[str, float]]:
    """The temperature that calibrates the model on `held_out`, and its metrics there."""
    logits, _ = predict(model, text_encoder.encode([row.text for row in held_out]), pad_id)
    labels = np.array([row.label for row in held_out])
    temperature = fit_temperature(logits, labels)
    return temperature, summary(logits, labels, temperature)


def language_sample(
    model: SentimentModel,
    rows: Sequence[Row],
    encodings: Sequence[Encoding],
    pad_id: int,
    rng: random.Random,
    size: int = 1500,
) -> tuple[np.ndarray, list[Row]]:
    """Means of at most `size` rows of each language, and those rows."""
    chosen: list[int] = []
    for wanted in (True, False):
        group = [i for i, row in enumerate(rows) if is_chinese(row.text) is wanted]
        chosen += rng.sample(group, min(size, len(group)))
    _, means = predict(model, [encodings[i] for i in chosen], pad_id)
    return means, [rows[i] for i in chosen]
