"""The state of a training run in one file, so that a killed run goes on where it stood."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn


class StateError(ValueError):
    """A state file that is damaged or belongs to another run."""


def run_identity(model: nn.Module, recipe: object, plan: Sequence[Sequence[int]]) -> str:
    """Digest of all that decides a run: initial weights, recipe and order of the rows."""
    digest = hashlib.blake2b(repr((recipe, plan)).encode(), digest_size=16)
    for weights in model.state_dict().values():
        digest.update(weights.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class RunState:
    """Weights, optimiser, schedule and random state of the run `identity` in `file`."""

    def __init__(self, file: Path, identity: str, model: nn.Module, **parts: Any) -> None:
        self.file = file
        self.identity = identity
        self.parts: dict[str, Any] = {"model": model, **parts}

    def save(self, step: int, seconds: float) -> None:
        """Write the state after `step` steps; a kill meanwhile leaves the last one intact."""
        body: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        body |= {"identity": self.identity, "step": step, "seconds": seconds}
        body["random"] = torch.get_rng_state()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        half = self.file.with_suffix(".half")
        with half.open("wb") as stream:
            torch.save(body, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(half, self.file)

    def restore(self) -> tuple[int, float]:
        """Load the file into the parts and return (steps done, seconds spent).

        (0, 0.0) without a file, as of a run killed before its first save. Raises StateError
        for the state of another run or an unreadable one.
        """
        if not self.file.exists():
            return 0, 0.0
        try:
            body = torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises whatever its readers happen to raise
            raise StateError(f"{self.file}: unreadable: {error}") from error
        if body["identity"] != self.identity:
            raise StateError(f"{self.file}: the state of a run with other rows, base or options")
        for name, part in self.parts.items():
            part.load_state_dict(body[name])
        torch.set_rng_state(body["random"])
        return int(body["step"]), float(body["seconds"])
