"""Observer: what `fit` of a built-in scenario tells while it trains, which does not change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from parity.traces.trace import History


class Observer(Protocol):
    """What `fit` tells while it trains."""

    def on_step(self) -> None:
        """After every step."""

    def on_epoch_end(self, evaluate: Callable[[], tuple[float, float]]) -> None:
        """After every epoch, with a way to evaluate the training samples."""


class EpochObserver:
    """Keeps how well the training samples are known after every epoch.

    Keras's own training accuracy is a mean over the epoch, with dropout on and on augmented images,
    while the weights still change: it cannot be set against the validation accuracy.

    Args:
        on_step: called after every step.

    Attributes:
        columns: of the history, "eval_loss" and "eval_accuracy": of the training samples as they
            are, in eval mode.
    """

    def __init__(self, on_step: Callable[[], None]) -> None:
        self._on_step = on_step
        self.columns: History = {}

    def on_step(self) -> None:
        """See Observer."""
        self._on_step()

    def on_epoch_end(self, evaluate: Callable[[], tuple[float, float]]) -> None:
        """See Observer."""
        for key, value in zip(("eval_loss", "eval_accuracy"), evaluate(), strict=True):
            self.columns.setdefault(key, []).append(value)
