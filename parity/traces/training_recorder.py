"""What a whole training, and the steps from each anchor, leave in a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from parity.data.probe_inputs import of_step, sampled
from parity.traces.anchors import MOVED
from parity.traces.trace import History, TraceWriter, Weights

# --- TrainingRecorder: what a whole training leaves in its trace ----------------------------------
#
# Both halves call the same methods at the same moments. Keys; N counts steps from 1:
#
#     training/loss                   (steps,) running mean of the epoch, as `fit` tells it
#     training/rates                  (steps,) learning rate of each step
#     training/weights/N/NAME         after step N, and at N = 0; at most 1,024 values of each
#     training/final/NAME             what the training ends with, all values
#     predictions/val                 (N, ...) output for the validation samples at the end, if the
#                                     training is evaluated
#
# Weights are kept at the steps 0, 1, 2, 5, 10, 20, 50, ... and at the end of every epoch.


PREDICTIONS = "predictions/val"
EVALUATED_AT_ONCE = 256  # samples: large batches are faster


def keep_evaluation(writer: TraceWriter[Any], numbers: Mapping[str, float]) -> None:
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
        writer: TraceWriter[Any],
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


# --------------------------------------------------------------------------------------------------
#
# Observer: what `fit` of a built-in scenario tells while it trains, which does not change it.


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


# --- AnchoredSteps: what the steps from one anchor leave in a trace, the same in both halves ------
#
# Keys; all arrays are float64:
#
#     anchored/STEP/loss                    (steps,) of each batch
#     anchored/STEP/running/NAME            a number of all these batches, as `fit` tells it
#     anchored/STEP/validation/NAME         the same of validation before the steps, if planned
#     anchored/STEP/moved/N/NAME            how far the weights have moved in the first N steps
#     anchored/STEP/slots/N/SLOT/NAME       of the optimizer, after the N-th step
#
# N counts the steps from 1; slots are kept after the first step and the last one. Of an array at
# most MAX_ENTRIES values are kept, evenly spread.
# Beside them a trace has the states of generators, the size of the weights, and the first step as
# float32 makes it:
#
#     anchored/STEP/masks/LAYER             (2,) seed and number of masks drawn so far
#     anchored/STEP/size/NAME               the largest absolute value of a weight
#     anchored/STEP/float32/NAME            how far the weights have moved in that step


# Hundreds of arrays belong to an anchor, and a fault of a step is seen in any part of them.
MAX_ENTRIES = 256
# By their names in the history.
Numbers = Mapping[str, float]


@dataclass
class AnchoredSteps:
    """What some steps from an anchor computed.

    Attributes:
        start: weights of the anchor.
        num_steps: that will be made.
        arrays: by key, without `anchored/STEP/`.
    """

    start: Weights
    num_steps: int
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    _losses: list[float | None] = field(default_factory=list)

    def keep(self, loss: float | None, running: Numbers) -> None:
        """Keeps the numbers of one step.

        Args:
            loss: of the batch, penalties included; or the running mean of all steps so far; None if
                it is not known.
            running: numbers of all steps so far, as `fit` tells them.
        """
        self._losses.append(loss)
        if len(self._losses) == self.num_steps:
            if None not in self._losses:
                self.arrays["loss"] = np.array(self._losses)
            self.keep_running(running)

    def keep_state(self, weights: Weights, slots: Mapping[str, Weights]) -> None:
        """Keeps the state after a step whose numbers were kept.

        Args:
            weights: of the model.
            slots: of the optimizer, by name of the slot.
        """
        number = len(self._losses)
        for name, array in moved(self.start, weights).items():
            self.arrays[f"{MOVED}/{number}/{name}"] = array
        # A momentum may nearly cancel; what is not seen of it in the middle is in the weights.
        for slot, values in slots.items() if number in (1, self.num_steps) else ():
            for name, array in values.items():
                kept = np.array(sampled(array, MAX_ENTRIES), np.float64)
                self.arrays[f"slots/{number}/{slot}/{name}"] = kept

    def keep_running(self, running: Numbers) -> None:
        """Keeps the numbers of all steps, as `fit` tells them."""
        self._keep_numbers("running", running)

    def keep_validation(self, validation: Numbers) -> None:
        """Keeps the numbers of validation, before the first step."""
        self._keep_numbers("validation", validation)

    def _keep_numbers(self, kind: str, numbers: Numbers) -> None:
        self.arrays |= {f"{kind}/{n}": np.array(float(v)) for n, v in numbers.items()}

    def write(self, writer: TraceWriter[Any], step: int) -> None:
        """Writes the arrays of the steps from the anchor before `step`."""
        writer.put_all(f"anchored/{step}", self.arrays)


def moved(start: Weights, weights: Weights) -> dict[str, np.ndarray]:
    """Returns how far weights have moved, in float64; at most MAX_ENTRIES values of each."""
    return {
        name: sampled(array, MAX_ENTRIES).astype(np.float64)
        - sampled(start[name], MAX_ENTRIES).astype(np.float64)
        for name, array in weights.items()
    }
