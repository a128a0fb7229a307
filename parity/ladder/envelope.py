"""The envelope: what rounding alone does to the reference, measured on perturbed runs of it.

A perturbed run starts with every weight moved by one unit in the last place. It follows the
original closely until rounding turns a comparison: a ReLU whose input is nearly 0, two nearly equal
entries of a pooling window. From that step on the two runs are apart by some 1e-4, and chaos does
the rest. Every run turns at other steps, so that the envelope is what any two of the reference runs
have differed by, up to and including a step.

    weights      factor × the greatest difference of any weight between any two runs so far
    losses       the same, × the greatest ratio of a loss difference to a weight difference; at
                 least what rounding does to the mean itself, (8 + √batches) × epsilon of its value
    accuracies   factor × their own greatest spread so far + SPARE_SAMPLES / number of samples
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import absolute_difference, greatest_difference
from parity.programs.run_spec import EarlyStopping, ReduceLR

if TYPE_CHECKING:
    from parity.traces.trace import Trace

# Validated on held-out perturbed runs by `python benchmarks/accuracy/envelope.py`.
FACTOR = 1.5
# A perturbation enters once, rounding in every step. In float32 the first turned comparison drowns
# that; in float64 a port was seen at 3 times the envelope after 6,000 steps (docs/measurements.md),
# and a fault of meaning shows in the first steps, where the floor is what counts.
FLOAT64_FACTOR = 10.0
# Accuracy moves in whole samples: so many may be classified otherwise where the spread is 0.
SPARE_SAMPLES = 2

Distances = dict[tuple[int, int], np.ndarray]


class Envelope:
    """What the trajectory may differ by, from runs of the reference.

    Args:
        runs: the reference run, then at least one perturbed run; perturbed runs may be planned for
            fewer epochs, and early stopping may end each at another one.
        factor: how many times as far as its runs the port may be.
        floor: what is allowed in any case, for weights and losses.
        rules: what decides by a loss whether the rate is cut or training ends.
    """

    def __init__(
        self,
        runs: Sequence[Trace],
        *,
        factor: float,
        floor: float,
        rules: Sequence[ReduceLR | EarlyStopping] = (),
    ) -> None:
        base = runs[0]
        self._factor, self._floor, self._rules = factor, floor, rules
        self._num_samples: dict[str, int] = {
            "accuracy": base.facts["num_train"],
            "val_accuracy": base.facts["num_val"],
        }
        self._epsilon = float(np.finfo(base.spec["dtype"]).eps)
        self._running_loss = base["running_loss"].astype(np.float64)
        self._histories = [run.history for run in runs]
        self._planned = [int(run.spec["epochs"]) for run in runs]
        self._steps_per_epoch = int(base.facts["steps_per_epoch"])
        self.num_perturbations = len(runs) - 1
        self.steps = [step for step in base.numbers("trajectory") if step > 0]
        distances = _distances(runs, self.steps)
        at_step = [
            # Where the reference trained on alone, nothing more is known.
            max((d[number] for d in distances.values() if number < len(d)), default=0.0)
            for number in range(len(self.steps))
        ]
        self.max_difference_by_step = np.maximum.accumulate(at_step)
        val_losses = [np.array(history["val_loss"]) for history in self._histories]
        self._sensitivity = {
            "loss": self._ratio([run["running_loss"] for run in runs], distances, stride=1),
            "val_loss": self._ratio(val_losses, distances, stride=self._steps_per_epoch),
        }

    @property
    def tolerance_source(self) -> str:
        """See Tolerance."""
        num_runs = self.num_perturbations + 1
        source = (
            f"{self._factor:g} × the greatest difference so far between any two of {num_runs} "
            f"Keras runs, {self.num_perturbations} of them with initial weights perturbed by one "
            "ULP"
        )
        unbounded = np.flatnonzero(np.isinf(self.max_difference_by_step))
        if unbounded.size:
            last = [0, *self.steps][unbounded[0]]
            source += f"; after step {last} rounding decides which run diverges: anything passes"
        return source

    @property
    def scaled(self) -> bool:
        """No: differences were measured as they are."""
        return False

    def weights(self, step: int) -> float:
        """See Tolerance."""
        greatest = float(self.max_difference_by_step[self.steps.index(step)])
        return max(self._floor, self._factor * greatest)

    def running_loss(self, steps: np.ndarray) -> np.ndarray:
        """See Tolerance."""
        noise = self._loss_noise("loss", steps)
        least = self._loss_floor(self._running_loss[steps - 1])
        allowed: np.ndarray = np.maximum(noise, least)
        return allowed

    def history(self, key: str, epoch: int) -> float:
        """See Tolerance."""
        if key in self._sensitivity:
            step = np.array([(epoch + 1) * self._steps_per_epoch])
            floor = self._loss_floor(np.array(self._histories[0][key][epoch]))
            return max(float(floor), float(self._loss_noise(key, step)[0]))
        spread = 0.0
        for number in range(epoch + 1):
            column = np.array([h[key][number] for h in self._histories if number < len(h[key])])
            spread = max(spread, float(absolute_difference(column[:, None], column).max()))
        return self._factor * spread + SPARE_SAMPLES / self._num_samples[key]

    def may_part(self, epoch: int) -> bool:
        """Whether a perturbed run has parted by then, or noise may decide an earlier question."""
        first, *others = (history["learning_rate"][: epoch + 1] for history in self._histories)
        # A run that was planned for fewer epochs says nothing of those after them.
        for other, planned in zip(others, self._planned[1:], strict=True):
            if other != first[:planned]:
                return True
        return any(self._has_close_decision(rule, epoch) for rule in self._rules)

    def to_json(self) -> dict[str, Any]:
        """Returns how it was measured, for the result."""
        return {
            "num_perturbations": self.num_perturbations,
            "factor": self._factor,
            "steps": self.steps,
            "max_difference_by_step": [float(value) for value in self.max_difference_by_step],
            "sensitivity": self._sensitivity,
        }

    def _has_close_decision(self, rule: ReduceLR | EarlyStopping, epoch: int) -> bool:
        """Whether "is this loss an improvement?" hung on less than the noise, before an epoch."""
        key, min_delta = rule.monitor, rule.min_delta
        start = rule.start_from_epoch if isinstance(rule, EarlyStopping) else 0
        best, best_epoch = float("inf"), start
        for number, value in enumerate(self._histories[0][key][start:epoch], start):
            noise = self.history(key, number) + self.history(key, best_epoch)
            if abs(value + min_delta - best) <= noise:
                return True
            if value + min_delta < best:
                best, best_epoch = value, number
        return False

    def _loss_floor(self, values: np.ndarray) -> np.ndarray:
        """What rounding does to losses even where no two reference runs differ by a bit.

        Some 8 operations make the loss of a batch, and one addition for each batch the mean; their
        errors are as often up as down, and so grow with the root of their number.
        """
        rounding = (8 + self._steps_per_epoch**0.5) * self._epsilon
        finite = np.where(np.isfinite(values), np.abs(values), 0.0)
        floor: np.ndarray = np.maximum(self._floor, rounding * finite)
        return floor

    def _loss_noise(self, key: str, steps: np.ndarray) -> np.ndarray:
        apart = self._difference_at(steps)
        noise = np.full(apart.shape, np.inf)
        # Infinite stays infinite, also times 0: one NaN would forbid what it has to allow.
        np.multiply(
            self._factor * self._sensitivity[key], apart, out=noise, where=np.isfinite(apart)
        )
        return noise

    def _difference_at(self, steps: np.ndarray) -> np.ndarray:
        """The greatest difference at the first recorded step that is not before each step."""
        return self.max_difference_by_step[np.searchsorted(self.steps, steps)]

    def _ratio(self, series: Sequence[np.ndarray], distances: Distances, *, stride: int) -> float:
        """The greatest |difference of a loss| / |difference of the weights| of two runs.

        Args:
            series: for each run the losses after every `stride` steps.
            distances: of the weights, at the recorded steps.
            stride: steps from one loss to the next.
        """
        greatest = 0.0
        for (i, j), distance in distances.items():
            length = min(len(series[i]), len(series[j]), self.steps[-1] // stride)
            recorded = np.searchsorted(self.steps, stride * np.arange(1, length + 1))
            apart = np.maximum.accumulate(distance)[recorded]
            gap = absolute_difference(series[i][:length], series[j][:length])
            usable = (apart > 0) & np.isfinite(apart) & np.isfinite(gap)
            greatest = max(greatest, float(np.max(gap[usable] / apart[usable], initial=0.0)))
        return greatest


def _distances(runs: Sequence[Trace], steps: Sequence[int]) -> Distances:
    """For pairs of runs, the greatest difference of any weight at each step that both have.

    Every pair of runs that are as long as the first one, and each shorter run with the first.
    """
    has = [set(run.numbers("trajectory")) for run in runs]
    whole = [number for number in range(len(runs)) if steps[-1] in has[number]]
    pairs = list(itertools.combinations(whole, 2))
    pairs += [(0, number) for number in range(len(runs)) if number not in whole]
    found: dict[tuple[int, int], list[float]] = {pair: [] for pair in pairs}
    for step in steps:
        weights = {
            number: [
                run[f"trajectory/{step}/{name}"].astype(np.float64)
                for name in run.names(f"trajectory/{step}")
            ]
            for number, run in enumerate(runs)
            if step in has[number]
        }
        for i, j in pairs:
            if i in weights and j in weights:
                found[i, j].append(max(map(greatest_difference, weights[i], weights[j])))
    return {pair: np.array(values) for pair, values in found.items()}
