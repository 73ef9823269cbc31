"""Fine-tuning: a BERT encoder with a sentiment head and an embedding kept near its base.

Sentiment reads an attention pooling of the last layer (one learned query), the embedding is
the masked mean of the same layer. Fine-tuning for sentiment alone would pull the mean apart
by polarity, so an anchor loss keeps its centred direction near the frozen base's. Written as
a folder of safetensors, tokenizer and JSON that `models.export` turns into a bundle.
"""

import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import AutoModel

from models.centring import is_chinese, shared_part
from models.data import Row
from models.metrics import fit_temperature, summary
from models.tokens import Encoding, TextEncoder


@dataclass(frozen=True)
class Recipe:
    """What a run depends on besides its rows; stored beside the weights."""

    epochs: float = 1.0
    max_tokens: int = 128
    batch_tokens: int = 2048
    batch_rows: int = 48
    learning_rate: float = 7e-5
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.08
    anchor_weight: float = 1.0
    anchor_every: int = 3
    smoothing: float = 0.03
    threads: int = 0
    seed: int = 7


class SentimentModel(nn.Module):  # type: ignore[misc]
    """BERT encoder, attention-pooled three-class head, mean-pooled embedding."""

    def __init__(self, encoder: nn.Module, hidden: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.query = nn.Linear(hidden, 1)
        self.dense = nn.Linear(hidden, hidden)
        self.classify = nn.Linear(hidden, 3)
        self.dropout = nn.Dropout(0.1)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [batch, 3] and the masked mean [batch, hidden], in float32."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = self.query(states).squeeze(-1).masked_fill(mask == 0, -1e9).softmax(-1)
        attended = (weights.unsqueeze(-1) * states).sum(1)
        hidden = torch.tanh(self.dense(self.dropout(attended)))
        return self.classify(self.dropout(hidden)), masked_mean(states, mask)


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: [batch, tokens, hidden] to [batch, hidden]."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def batches(
    lengths: Sequence[int], recipe: Recipe, rng: random.Random, chunk: int = 2048
) -> Iterator[list[int]]:
    """One shuffled epoch: rows sorted within chunks, batches bounded by padded tokens."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    cut: list[list[int]] = []
    for start in range(0, len(order), chunk):
        batch: list[int] = []
        for row in sorted(order[start : start + chunk], key=lengths.__getitem__):
            full = len(batch) >= recipe.batch_rows
            if batch and (full or (len(batch) + 1) * lengths[row] > recipe.batch_tokens):
                cut.append(batch)
                batch = []
            batch.append(row)
        cut.append(batch)
    rng.shuffle(cut)
    yield from cut


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


def train(
    base: Path, rows: Sequence[Row], held_out: Sequence[Row], out: Path, recipe: Recipe
) -> dict[str, float]:
    """Fine-tune `base` on `rows`, measure on `held_out`, write the checkpoint folder `out`.

    Returns the held-out metrics. `base` is a local folder or a name on the hub.
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
    lengths = [len(e) for e in encodings]
    targets = torch.tensor([row.target for row in rows])
    targets = targets * (1 - recipe.smoothing) + recipe.smoothing / 3
    weights = torch.tensor([row.weight for row in rows])

    plan: list[list[int]] = []
    for _ in range(math.ceil(recipe.epochs)):
        plan.extend(batches(lengths, recipe, rng))
    plan = plan[: max(1, round(len(plan) * recipe.epochs / math.ceil(recipe.epochs)))]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in encoder.parameters() if p.requires_grad],
             "lr": recipe.learning_rate},
            {"params": [p for n, p in model.named_parameters() if not n.startswith("encoder.")],
             "lr": recipe.head_learning_rate},
        ],
        weight_decay=recipe.weight_decay,
    )  # fmt: skip
    warm = max(1, round(recipe.warm_up * len(plan)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, max(0.02, (len(plan) - step) / (len(plan) - warm + 1))),
    )

    def base_means(batch: list[int]) -> Tensor:
        ids, mask = pad([encodings[i] for i in batch], pad_id)
        with torch.inference_mode():
            states = frozen(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            return masked_mean(states, mask).clone()

    base_centre = torch.cat([base_means(b) for b in rng.sample(plan, min(16, len(plan)))]).mean(0)
    started = time.monotonic()
    running = anchored = 0.0
    progress = tqdm(plan, desc="train", unit="batch", mininterval=5)
    for step, batch in enumerate(progress):
        model.train()
        ids, mask = pad([encodings[i] for i in batch], pad_id)
        with torch.autocast("cpu", torch.bfloat16):
            logits, means = model(ids, mask)
        each = -(targets[batch] * F.log_softmax(logits.float(), -1)).sum(-1)
        loss = (each * weights[batch]).sum() / weights[batch].sum()
        running += 0.02 * (loss.item() - running) if step else loss.item()
        if step % recipe.anchor_every == 0:
            goal = base_means(batch) - base_centre
            away = 1 - F.cosine_similarity(means.float() - base_centre, goal).mean()
            anchored += 0.05 * (away.item() - anchored) if step else away.item()
            loss = loss + recipe.anchor_weight * recipe.anchor_every * away
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.set_postfix(loss=f"{running:.3f}", anchor=f"{anchored:.3f}", refresh=False)

    logits_held, _ = predict(model, text_encoder.encode([r.text for r in held_out]), pad_id)
    labels = np.array([row.label for row in held_out])
    temperature = fit_temperature(logits_held, labels)
    metrics = summary(logits_held, labels, temperature)
    metrics["train_minutes"] = round((time.monotonic() - started) / 60, 1)
    centre, directions = shared_part(*language_sample(model, rows, encodings, pad_id, rng))
    shared = {"centre": centre, "directions": directions}
    write_checkpoint(out, base, model, shared, temperature, metrics, rows, recipe)
    return metrics


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
    recipe: Recipe,
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
