"""TrainingRecorder: what a whole training leaves in its trace.

Both halves call the same methods at the same moments. Keys; N counts steps from 1:

    training/loss                   (steps,) running mean of the epoch, as `fit` tells it
    training/rates                  (steps,) learning rate of each step
    training/weights/N/NAME         after step N, and at N = 0; at most 1,024 values of each
    training/final/NAME             what the training ends with, all values
    predictions/val                 (N, ...) output for the validation samples at the end, if the
                                    training is evaluated

Weights are kept at the steps 0, 1, 2, 5, 10, 20, 50, ... and at the end of every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import of_step

if TYPE_CHECKING:
    from parity.traces.trace import TraceWriter, Weights


PREDICTIONS = "predictions/val"
EVALUATED_AT_ONCE = 256  # samples: large batches are faster


def keep_evaluation(writer: TraceWriter, numbers: Mapping[str, float]) -> None:
    """Keeps loss and metrics of the training samples after an epoch, as columns of the history."""
    for name, value in numbers.items():
        writer.columns.setdefault(f"eval_{name}", []).append(float(value))


def is_recorded_step(step: int) -> bool:
    """True for the steps 1, 2, 5, 10, 20, 50, 100, ... counted from 1."""
    while step >= 10 and step % 10 == 0:
        step //= 10
    return step in (1, 2, 5)


def loss_of(logs: Mapping[str, float]) -> float:
    """Returns the loss among the numbers of a step; the first number by its name without one."""
    return float(logs["loss" if "loss" in logs else min(logs)])


class TrainingRecorder:
    """Writes a training into a trace.

    Args:
        writer: of the trace.
        weights: returns all weights by name, in the portable layout; called only where they are
            kept.
        report: called after every step with its number and the running loss.
    """

    def __init__(
        self,
        writer: TraceWriter,
        weights: Callable[[], Weights],
        report: Callable[[int, float], None] = lambda step, loss: None,
    ) -> None:
        self._writer, self._weights, self._report = writer, weights, report
        self._losses: list[float] = []
        self._rates: list[float] = []
        self._ends: list[int] = []

    def on_begin(self) -> None:
        """Before the first step."""
        self._keep(0)

    def on_first_step(self, logs: Mapping[str, float]) -> None:
        """After the first step, with what `fit` tells of it: the loss of each output is kept."""
        ending = "_loss"
        self._writer.facts["first_losses"] = {
            key.removesuffix(ending): float(logs[key]) for key in logs if key.endswith(ending)
        } | {"": loss_of(logs)}

    def on_step(self, loss: float, rate: float) -> None:
        """After every step, with the running mean of the epoch's loss and the step's rate."""
        self._losses.append(loss)
        self._rates.append(rate)
        step = len(self._losses)
        if is_recorded_step(step):
            self._keep(step)
        self._report(step, loss)

    def on_epoch_end(self) -> None:
        """After the steps of an epoch."""
        step = len(self._losses)
        self._ends.append(step)
        if not is_recorded_step(step) and step:
            self._keep(step)

    def on_end(self) -> None:
        """After the last epoch, when best weights are restored."""
        self._writer.put("training/loss", np.array(self._losses))
        self._writer.put("training/rates", np.array(self._rates))
        self._writer.facts["epoch_ends"] = self._ends
        for name, value in self._weights().items():
            self._writer.put(f"training/final/{name}", value)

    def _keep(self, step: int) -> None:
        found: Mapping[str, np.ndarray] = self._weights()
        for name, value in found.items():
            self._writer.put(f"training/weights/{step}/{name}", of_step(value))
