"""History: what a training reports of its epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class History:
    """The numbers of every epoch, as `keras.callbacks.History` keeps them.

    Attributes:
        history: from Keras's key, such as "loss" or "val_accuracy", to a number for each epoch;
            with `validation_freq` above 1, keys of validation have fewer.
        epoch: the numbers of the epochs, from 0.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)

    def keep(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Adds an epoch."""
        self.epoch.append(epoch)
        for key, value in logs.items():
            self.history.setdefault(key, []).append(float(value))

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the numbers, for a checkpoint."""
        return {"history": {k: list(v) for k, v in self.history.items()}, "epoch": list(self.epoch)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """Returns the history of a checkpoint."""
        return cls({k: list(v) for k, v in state["history"].items()}, list(state["epoch"]))
