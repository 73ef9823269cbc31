"""Distillation: a student with fewer layers that answers as its teacher does.

The student starts from evenly spaced layers of the teacher and learns its softened logits
(Hinton et al., 2015), the hidden states of those layers (after TinyBERT, Jiao et al., EMNLP
2020) and its embedding as served. Centre and directions of the embedding stay the teacher's,
so vectors stored under the teacher stay comparable. No loss but the small one on hard labels
needs a label: any text of the domain helps.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from stream_app.inference.tokens import TextEncoder
from stream_app.training.model.augmentation import augmented
from stream_app.training.model.data import Row
from stream_app.training.networks.checkpoint import (
    read_checkpoint,
    without_shared,
    write_checkpoint,
)
from stream_app.training.networks.fitting import Losses, Saving, Schedule, fit, planned
from stream_app.training.networks.network import (
    SentimentModel,
    device,
    mixed_precision,
    pad,
    to_device,
)
from stream_app.training.networks.training import label_loss, measure


@dataclass(frozen=True)
class Distillation(Schedule):
    """Depth of the student, the softening of logits, and the weight of each loss."""

    learning_rate: float = 3e-4
    head_learning_rate: float = 2e-4
    layers: int = 6
    softening: float = 2.0
    logit_weight: float = 1.0
    hidden_weight: float = 1.0
    embedding_weight: float = 2.0
    label_weight: float = 0.2
    augment: float = 0.0
    """Unlabelled texts made of the clauses of training texts, per training row."""


def spaced(teacher: int, student: int) -> list[int]:
    """Numbers of `student` layers spread over `teacher` ones, first and last included."""
    if not 2 <= student <= teacher:
        raise ValueError(
            f"a teacher of {teacher} layers has students of 2 to {teacher}, not {student}"
        )
    return [round(i * (teacher - 1) / (student - 1)) for i in range(student)]


def distil(
    teacher_folder: Path,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    out: Path,
    recipe: Distillation,
    saving: Saving | None = None,
) -> dict[str, float]:
    """Train a student of the checkpoint `teacher_folder` on `rows`, write it to `out`.

    Rows of weight 0 have no label. Returns the held-out metrics. Raises ValueError for a depth
    the teacher cannot give, StateError where `saving` resumes another run's state.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    body = json.loads((teacher_folder / "training.json").read_text(encoding="utf-8"))
    recipe = replace(recipe, max_tokens=body["max_tokens"])
    chosen = spaced(body["layers"], recipe.layers)
    where = device()
    teacher, kept = read_checkpoint(teacher_folder)
    shared = {name: value.to(where) for name, value in kept.items()}
    teacher.encoder.bfloat16()
    to_device(teacher, where).eval()
    # Without dropout: the teacher's answer is a target to hit, not a label to doubt.
    student, _ = read_checkpoint(teacher_folder, chosen)
    student.encoder.get_input_embeddings().requires_grad_(False)
    to_device(student, where)
    rows = [*rows, *augmented(rows, recipe.augment, recipe.seed)]
    text_encoder = TextEncoder(teacher_folder / "tokenizer.json", recipe.max_tokens)
    encodings = text_encoder.encode([row.text for row in rows])
    plan = planned([len(e) for e in encodings], recipe, random.Random(recipe.seed))
    labels = label_loss(rows, recipe.smoothing, recipe.balance)

    def answer(model: SentimentModel, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, masked mean, and the states of the real tokens after each layer compared."""
        outputs = model.encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        logits, means = model.heads(outputs.last_hidden_state, mask)
        picked = chosen if model is teacher else range(recipe.layers)
        states = torch.stack([outputs.hidden_states[i + 1][mask.bool()].float() for i in picked])
        return logits.float(), means, states

    def losses(_: int, batch: list[int]) -> Losses:
        padded = pad([encodings[i] for i in batch], body["pad_id"])
        ids, mask = (tensor.to(where) for tensor in padded)
        with torch.no_grad():
            goal_logits, goal_means, goal_states = answer(teacher, ids, mask)
        with mixed_precision(where):
            logits, means, states = answer(student, ids, mask)
        soft, goal = (x / recipe.softening for x in (logits, goal_logits))
        size = states.shape[-1:]
        shown = {
            "logits": recipe.softening**2 * F.kl_div(
                soft.log_softmax(-1), goal.log_softmax(-1), log_target=True, reduction="batchmean"
            ),
            "hidden": F.mse_loss(F.layer_norm(states, size), F.layer_norm(goal_states, size)),
            "embedding": 1 - F.cosine_similarity(
                without_shared(means, shared), without_shared(goal_means, shared)
            ).mean(),
            "label": labels(batch, logits),
        }  # fmt: skip
        weights = (recipe.logit_weight, recipe.hidden_weight, recipe.embedding_weight,
                   recipe.label_weight)  # fmt: skip
        parts = (w * part for w, part in zip(weights, shown.values(), strict=True))
        loss = sum(parts, torch.zeros((), device=where))
        return loss, shown

    seconds = fit(student, plan, losses, recipe, saving)
    temperature, metrics = measure(student, text_encoder, held_out, body["pad_id"])
    metrics["train_minutes"] = round(seconds / 60, 1)
    arrays = {name: value.numpy() for name, value in kept.items()}
    write_checkpoint(out, teacher_folder, student, arrays, temperature, metrics, rows, recipe)
    if saving is not None:
        saving.file.unlink(missing_ok=True)
    return metrics
