"""AnchoredSteps: what the steps from one anchor leave in a trace, the same in both halves.

Keys; all arrays are float64:

    anchored/STEP/loss                    (steps,) of each batch
    anchored/STEP/running/NAME            a number of all these batches, as `fit` tells it
    anchored/STEP/validation/NAME         the same of validation before the steps, if planned
    anchored/STEP/moved/N/NAME            how far the weights have moved in the first N steps
    anchored/STEP/slots/N/SLOT/NAME       of the optimizer, after the N-th step

N is 1 and the number of steps. Of an array at most MAX_ENTRIES values are kept, evenly spread.
Beside them a trace has the states of generators, the size of the weights, and the first step as
float32 makes it:

    anchored/STEP/masks/LAYER             (2,) seed and number of masks drawn so far
    anchored/STEP/size/NAME               the largest absolute value of a weight
    anchored/STEP/float32/NAME            how far the weights have moved in that step
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from parity.data.probe_inputs import sampled
from parity.traces.anchors import MOVED
from parity.traces.trace import TraceWriter, Weights

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

    @property
    def next_is_kept(self) -> bool:
        """Whether weights and slots after the next step are kept."""
        return len(self._losses) in (0, self.num_steps - 1)

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
        for slot, values in slots.items():
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

    def write(self, writer: TraceWriter, step: int) -> None:
        """Writes the arrays of the steps from the anchor before `step`."""
        writer.put_all(f"anchored/{step}", self.arrays)


def moved(start: Weights, weights: Weights) -> dict[str, np.ndarray]:
    """Returns how far weights have moved, in float64; at most MAX_ENTRIES values of each."""
    return {
        name: sampled(array, MAX_ENTRIES).astype(np.float64)
        - sampled(start[name], MAX_ENTRIES).astype(np.float64)
        for name, array in weights.items()
    }
