"""The model's verbs as a user calls them, and what they leave."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from stream_app.commands.model import model


def run(*arguments: str | Path, code: int = 0) -> str:
    """What `stream-app model` says to the arguments."""
    result = CliRunner().invoke(model, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def weights(checkpoint: Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint."""
    from safetensors.numpy import load_file

    loaded: dict[str, np.ndarray] = load_file(checkpoint / "weights.safetensors")
    return loaded


def same(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same arrays."""
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )
