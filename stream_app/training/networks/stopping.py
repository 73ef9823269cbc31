"""Early stopping: keep the weights that did best on held-out rows."""

from collections.abc import Callable
from typing import Any

from torch import nn


class Stopping:
    """The best weights so far and how many validations ago they were.

    `validation_loss` returns it; `every` and `patience` count optimiser steps and validations. Its
    state is saved and restored with the run's.
    """

    def __init__(
        self, model: nn.Module, validation_loss: Callable[[], float], every: int, patience: int
    ) -> None:
        self._model = model
        self._validation_loss = validation_loss
        self._every = every
        self._patience = patience
        self._best: dict[str, Any] = {"loss": float("inf"), "misses": 0, "weights": {}}

    def ended(self, step: int) -> bool:
        """Validate if it is time; True when `patience` validations in a row were no better."""
        if not self._every or step % self._every:
            return False
        was_training = self._model.training
        loss = self._validation_loss()
        self._model.train(was_training)
        if loss < self._best["loss"]:
            weights = {k: v.detach().clone() for k, v in self._model.state_dict().items()}
            self._best = {"loss": loss, "misses": 0, "weights": weights}
        else:
            self._best["misses"] += 1
        return bool(self._best["misses"] >= self._patience)

    def restore_best(self) -> None:
        """Load the weights with the lowest loss, if there was a validation."""
        if self._best["weights"]:
            self._model.load_state_dict(self._best["weights"])

    def state_dict(self) -> dict[str, Any]:
        return self._best

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best = dict(state)
