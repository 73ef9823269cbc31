"""The loop that every training run goes through: plan of batches, optimiser, saved state."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from stream_app.training.networks.resume import RunState, run_identity
from stream_app.training.networks.stopping import Stopping

Losses = tuple[Tensor, dict[str, Tensor]]
"""The loss of a batch, and what of it the progress bar shows."""


@dataclass(frozen=True)
class Schedule:
    """What every run depends on besides its rows; stored beside the weights."""

    epochs: float = 1.0
    max_tokens: int = 128
    batch_tokens: int = 2048
    batch_rows: int = 48
    learning_rate: float = 7e-5
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.08
    smoothing: float = 0.03
    balance: float = 0.0
    """How far classes are evened out: 0 as they are, 1 as if all were equally frequent."""
    accumulate: int = 1
    """Batches to one optimiser step: more rows a step than memory holds."""
    check_every: int = 0
    """Steps between two validations on the held-out rows, for early stopping; 0: none."""
    patience: int = 3
    """Validations in a row without a lower loss that end the run; the best weights are kept."""
    threads: int = 0
    seed: int = 7


@dataclass(frozen=True)
class Saving:
    """Save the run's state to `file` every `every` steps (0: never); `resume` goes on from it.

    Losses go to the folder `logs` for TensorBoard, if one is given.
    """

    file: Path
    every: int = 0
    resume: bool = False
    logs: Path | None = None


def batches(
    lengths: Sequence[int], recipe: Schedule, rng: random.Random, chunk: int = 2048
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


def planned(lengths: Sequence[int], recipe: Schedule, rng: random.Random) -> list[list[int]]:
    """The batches of all epochs, the last one cut where `epochs` is a fraction."""
    full_epochs = math.ceil(recipe.epochs)
    plan = [batch for _ in range(full_epochs) for batch in batches(lengths, recipe, rng)]
    return plan[: max(1, round(len(plan) * recipe.epochs / full_epochs))]


def fit(
    model: nn.Module,
    plan: Sequence[list[int]],
    losses: Callable[[int, list[int]], Losses],
    recipe: Schedule,
    saving: Saving | None = None,
    validation_loss: Callable[[], float] | None = None,
) -> float:
    """AdamW over the batches of `plan`, `accumulate` to a step: warm-up, then linear decay.

    `validation_loss` is that of the held-out rows, for early stopping. Returns the seconds it took,
    those before a resumption included.
    """
    if recipe.check_every and validation_loss is None:
        raise ValueError("check_every needs held-out rows")
    encoder = [p for p in model.get_submodule("encoder").parameters() if p.requires_grad]
    heads = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": encoder, "lr": recipe.learning_rate},
            {"params": heads, "lr": recipe.head_learning_rate},
        ],
        weight_decay=recipe.weight_decay,
    )
    steps = math.ceil(len(plan) / recipe.accumulate)
    warm = max(1, round(recipe.warm_up * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, max(0.02, (steps - step) / (steps - warm + 1))),
    )
    stopping = Stopping(
        model, validation_loss or (lambda: 0.0), recipe.check_every, recipe.patience
    )
    done, spent = 0, 0.0
    if saving is not None:
        identity = run_identity(model, recipe, plan)
        state = RunState(
            saving.file, identity, model,
            optimizer=optimizer, schedule=schedule, stopping=stopping,
        )  # fmt: skip
        if saving.resume:
            done, spent = state.restore()
    started = time.monotonic() - spent
    saved = done
    shown: dict[str, float] = {}
    model.train()
    logs = None
    if saving is not None and saving.logs is not None:
        logs = SummaryWriter(str(saving.logs), purge_step=done)
    progress = tqdm(total=len(plan), initial=done, desc="train", unit="batch", mininterval=5)
    for step in range(done, len(plan)):
        loss, parts = losses(step, plan[step])
        torch.autograd.backward(loss / recipe.accumulate)
        stepped = (step + 1) % recipe.accumulate == 0 or step + 1 == len(plan)
        if stepped:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
        for name, part in parts.items():
            value = part.item()
            if logs is not None:
                logs.add_scalar(name, value, step)
            shown[name] = value + 0.98 * (shown.get(name, value) - value)
        progress.set_postfix({n: f"{v:.3f}" for n, v in shown.items()}, refresh=False)
        progress.update()
        if stepped and stopping.ended((step + 1) // recipe.accumulate):
            break
        if stepped and saving is not None and saving.every and step + 1 - saved >= saving.every:
            state.save(step + 1, time.monotonic() - started)
            saved = step + 1
    progress.close()
    if logs is not None:
        logs.close()
    stopping.restore_best()
    return time.monotonic() - started
