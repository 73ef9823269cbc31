"""Fine-tuning: a BERT encoder with a sentiment head and an embedding kept near its base.

Sentiment reads an attention pooling of the last layer (one learned query), the embedding is
the masked mean of the same layer. Fine-tuning for sentiment alone would pull the mean apart
by polarity, so an anchor loss keeps its centred direction near the frozen base's. Written as
a folder of safetensors, tokenizer and JSON that `models.export` turns into a bundle.
"""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel

from models.centring import is_chinese, shared_part
from models.data import Row
from models.fitting import Losses, Saving, Schedule, fit, planned
from models.metrics import fit_temperature, summary
from models.tokens import Encoding, TextEncoder


@dataclass(frozen=True)
class Recipe(Schedule):
    """Fine-tuning of a base, its embedding anchored."""

    anchor_weight: float = 1.0
    anchor_every: int = 3


class SentimentModel(nn.Module):  # type: ignore[misc]
    """BERT encoder, attention-pooled three-class head, mean-pooled embedding."""

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.query = nn.Linear(hidden, 1)
        self.dense = nn.Linear(hidden, hidden)
        self.classify = nn.Linear(hidden, 3)
        self.dropout = nn.Dropout(encoder.config.hidden_dropout_prob)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [batch, 3] and the masked mean [batch, hidden], in float32."""
        return self.read(self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)

    def read(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the encoder's last states [batch, tokens, hidden]."""
        states = states.float()
        weights = self.query(states).squeeze(-1).masked_fill(mask == 0, -1e9).softmax(-1)
        attended = (weights.unsqueeze(-1) * states).sum(1)
        hidden = torch.tanh(self.dense(self.dropout(attended)))
        return self.classify(self.dropout(hidden)), masked_mean(states, mask)


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: [batch, tokens, hidden] to [batch, hidden]."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def pad(encodings: Sequence[Encoding], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, [batch, longest], int64."""
    width = max(map(len, encodings))
    ids = torch.full((len(encodings), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(encodings), width), dtype=torch.long)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding)] = torch.tensor(encoding)
        mask[row, : len(encoding)] = 1
    return ids, mask


@torch.inference_mode()  # type: ignore[untyped-decorator]
def predict(
    model: SentimentModel, encodings: Sequence[Encoding], pad_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits [n, 3] and means [n, hidden] of all rows, in their order."""
    model.eval()
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i]))
    logits = means = np.zeros((0, 0), np.float32)
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        ids, mask = pad([encodings[i] for i in rows], pad_id)
        with torch.autocast("cpu", torch.bfloat16):
            got = [t.float().numpy() for t in model(ids, mask)]
        if not logits.size:
            logits = np.zeros((len(order), 3), np.float32)
            means = np.zeros((len(order), got[1].shape[1]), np.float32)
        logits[rows], means[rows] = got
    return logits, means


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
        each = -(targets[batch] * F.log_softmax(logits.float(), -1)).sum(-1)
        return (each * weights[batch]).sum() / weights[batch].sum().clamp(min=1e-6)

    return loss


def train(
    base: Path,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    out: Path,
    recipe: Recipe,
    saving: Saving | None = None,
) -> dict[str, float]:
    """Fine-tune `base` on `rows`, measure on `held_out`, write the checkpoint folder `out`.

    Returns the held-out metrics. `base` is a local folder. Raises `models.resume.StateError`
    where `saving` resumes another run's state.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    encoder = AutoModel.from_pretrained(
        str(base), add_pooling_layer=False, dtype=torch.float32, attn_implementation="sdpa"
    )
    frozen = AutoModel.from_pretrained(
        str(base), add_pooling_layer=False, dtype=torch.bfloat16, attn_implementation="sdpa"
    ).eval()
    # The word table keeps the base's alignment of languages, and costs nothing to update.
    encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    pad_id = int(encoder.config.pad_token_id or 0)
    model = SentimentModel(encoder, encoder.config.hidden_size)
    text_encoder = TextEncoder(base / "tokenizer.json", recipe.max_tokens)
    encodings = text_encoder.encode([row.text for row in rows])
    plan = planned([len(e) for e in encodings], recipe, rng)
    labels = label_loss(rows, recipe.smoothing, recipe.balance)

    def base_means(batch: list[int]) -> Tensor:
        ids, mask = pad([encodings[i] for i in batch], pad_id)
        with torch.inference_mode():
            states = frozen(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            return masked_mean(states, mask).clone()

    base_centre = torch.cat([base_means(b) for b in rng.sample(plan, min(16, len(plan)))]).mean(0)

    def losses(step: int, batch: list[int]) -> Losses:
        with torch.autocast("cpu", torch.bfloat16):
            logits, means = model(*pad([encodings[i] for i in batch], pad_id))
        loss = labels(batch, logits)
        shown = {"loss": loss}
        if step % recipe.anchor_every == 0:
            goal = base_means(batch) - base_centre
            shown["anchor"] = 1 - F.cosine_similarity(means.float() - base_centre, goal).mean()
            loss = loss + recipe.anchor_weight * recipe.anchor_every * shown["anchor"]
        return loss, shown

    seconds = fit(model, plan, losses, recipe, saving)
    temperature, metrics = measure(model, text_encoder, held_out, pad_id)
    metrics["train_minutes"] = round(seconds / 60, 1)
    centre, directions = shared_part(*language_sample(model, rows, encodings, pad_id, rng))
    shared = {"centre": centre, "directions": directions}
    write_checkpoint(out, base, model, shared, temperature, metrics, rows, recipe)
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
) -> tuple[np.ndarray, np.ndarray]:
    """Means of at most `size` rows of each language, and which of them are Chinese."""
    chosen: list[int] = []
    for wanted in (True, False):
        group = [i for i, row in enumerate(rows) if is_chinese(row.text) is wanted]
        chosen += rng.sample(group, min(size, len(group)))
    _, means = predict(model, [encodings[i] for i in chosen], pad_id)
    return means, np.array([is_chinese(rows[i].text) for i in chosen])


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
    state = {k: v.detach().contiguous().float() for k, v in model.state_dict().items()}
    state |= {name: torch.from_numpy(value) for name, value in shared.items()}
    save_file(state, out / "weights.safetensors")
    shutil.copyfile(base / "tokenizer.json", out / "tokenizer.json")
    sources: dict[str, int] = {}
    for row in rows:
        sources[row.source] = sources.get(row.source, 0) + 1
    config = model.encoder.config
    body = {
        "max_tokens": recipe.max_tokens,
        "heads": config.num_attention_heads,
        "layers": config.num_hidden_layers,
        "epsilon": config.layer_norm_eps,
        "pad_id": int(config.pad_token_id or 0),
        "temperature": temperature,
        "held_out": metrics,
        "sources": sources,
        "recipe": asdict(recipe),
    }
    (out / "training.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
