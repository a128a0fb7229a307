"""Recorder: what is written down while a half trains, without changing the training.

Both halves call the same methods at the same moments, after every step and after every epoch. The
running loss is kept for every step. Weights are kept before the first step, at the steps 1, 2, 5,
10, 20, 50, ... and at the end of every epoch: enough to see where a difference starts and how it
grows, at a size that stays small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from parity.traces.trace import History, TraceWriter, Weights


def is_recorded_step(step: int) -> bool:
    """True for the steps 1, 2, 5, 10, 20, 50, 100, ... counted from 1."""
    while step >= 10 and step % 10 == 0:
        step //= 10
    return step in (1, 2, 5)


class Observer(Protocol):
    """What `fit` tells while it trains."""

    def on_start(self, weights: Callable[[], Weights]) -> None:
        """Before the first step."""

    def on_step(self, loss: float, weights: Callable[[], Weights]) -> None:
        """After every step, with the running mean of the epoch's loss."""

    def on_epoch_end(self, evaluate: Callable[[], tuple[float, float]]) -> None:
        """After every epoch, with a way to evaluate the training samples."""

    def on_end(self, predict: Callable[[], np.ndarray]) -> None:
        """After the last step, with a way to get the probabilities of the validation samples."""


class EpochRecorder:
    """Keeps how well the training samples are known after every epoch, and nothing else.

    Args:
        on_step: called after every step.

    Attributes:
        columns: of the history, "eval_loss" and "eval_accuracy"; see `Recorder.on_epoch_end`.
    """

    def __init__(self, on_step: Callable[[], None]) -> None:
        self._on_step = on_step
        self.columns: History = {}

    def on_start(self, weights: Callable[[], Weights]) -> None:
        """See Observer."""

    def on_step(self, loss: float, weights: Callable[[], Weights]) -> None:
        """See Observer."""
        self._on_step()

    def on_epoch_end(self, evaluate: Callable[[], tuple[float, float]]) -> None:
        """See Observer."""
        _keep_evaluation(self.columns, evaluate)

    def on_end(self, predict: Callable[[], np.ndarray]) -> None:
        """See Observer."""


def _keep_evaluation(columns: History, evaluate: Callable[[], tuple[float, float]]) -> None:
    for key, value in zip(("eval_loss", "eval_accuracy"), evaluate(), strict=True):
        columns.setdefault(key, []).append(value)


class Recorder:
    """Writes the trajectory of one run into a trace.

    Args:
        writer: the trace that receives `trajectory/...`.
        steps_per_epoch: number of batches of an epoch, the partial one included.
        epochs: number of epochs that will be run.
        report: called after every step with (step, num_steps, running loss), for progress.
    """

    def __init__(
        self,
        writer: TraceWriter,
        *,
        steps_per_epoch: int,
        epochs: int,
        report: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self._writer = writer
        self._steps_per_epoch = steps_per_epoch
        self._num_steps = steps_per_epoch * epochs
        self._report = report
        self._loss: list[float] = []

    def on_start(self, weights: Callable[[], Weights]) -> None:
        """Keeps the initial weights, as step 0."""
        self._keep(0, weights)

    def on_step(self, loss: float, weights: Callable[[], Weights]) -> None:
        """Keeps one step.

        Args:
            loss: running mean of the epoch's loss after this step, as Keras logs it.
            weights: returns the weights; called only where they are kept.
        """
        self._loss.append(loss)
        step = len(self._loss)
        if is_recorded_step(step) or step % self._steps_per_epoch == 0:
            self._keep(step, weights)
        if self._report is not None:
            self._report(step, self._num_steps, loss)

    def on_epoch_end(self, evaluate: Callable[[], tuple[float, float]]) -> None:
        """Keeps how well the training samples are known at the end of an epoch.

        Keras's own training accuracy is a mean over the epoch, with dropout on and on augmented
        images, while the weights still change: it cannot be set against the validation accuracy.

        Args:
            evaluate: returns (loss, accuracy) on the training samples as they are, in eval mode.
        """
        _keep_evaluation(self._writer.columns, evaluate)

    def on_end(self, predict: Callable[[], np.ndarray]) -> None:
        """Writes the losses of all steps; call it once, after training.

        Args:
            predict: returns (N, classes) probabilities of the validation samples, in their order
                and in eval mode.
        """
        self._writer.put("predictions/val", predict())
        self._writer.put("running_loss", np.array(self._loss))
        self._writer.facts["steps_per_epoch"] = self._steps_per_epoch

    def _keep(self, step: int, weights: Callable[[], Weights]) -> None:
        self._writer.put_all(f"trajectory/{step}", weights())
