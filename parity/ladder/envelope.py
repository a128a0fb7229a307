"""The envelope: the effect of rounding alone on the reference, measured with perturbed runs.

A perturbed run starts with every weight moved by one unit in the last place. It follows the
original closely until rounding flips a comparison: a ReLU with an input near 0, two nearly equal
entries of a pooling window. From that step on the two runs differ by about 1e-4, and chaos
increases the difference. Every run flips at different steps. The envelope at a step is therefore
the greatest difference between any two of the reference runs up to and including that step.

    weights      factor × the greatest difference of any weight between any two runs so far
    losses       the same, × the greatest ratio of a loss difference to a weight difference; at
                 least the rounding of the mean itself, (8 + √batches) × epsilon of its value
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
# A perturbation enters once, rounding in every step. In float32 the first flipped comparison hides
# that; in float64 a port was seen at 3 times the envelope after 6,000 steps (docs/measurements.md).
# A semantic fault shows in the first steps, where the floor decides.
FLOAT64_FACTOR = 10.0
# Accuracy changes in whole samples: so many may be classified differently if the spread is 0.
SPARE_SAMPLES = 2

Distances = dict[tuple[int, int], np.ndarray]


class Envelope:
    """The tolerance of the trajectory, from runs of the reference.

    Args:
        runs: the reference run, then at least one perturbed run; perturbed runs may have fewer
            planned epochs, and early stopping may end each at a different epoch.
        factor: the port may differ by this factor times the difference between these runs.
        floor: smallest tolerance of weights and losses.
        rules: rules that reduce the rate or stop training depending on a loss.
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
            # Nothing is known about epochs that only the reference trained.
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
            source += f"; after step {last} rounding decides which run diverges, so anything passes"
        return source

    @property
    def scaled(self) -> bool:
        """False: the measured differences are absolute."""
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
        """Whether a perturbed run differs by then, or noise may decide an earlier comparison."""
        first, *others = (history["learning_rate"][: epoch + 1] for history in self._histories)
        # A run with fewer planned epochs says nothing about later ones.
        for other, planned in zip(others, self._planned[1:], strict=True):
            if other != first[:planned]:
                return True
        return any(self._has_close_decision(rule, epoch) for rule in self._rules)

    def to_json(self) -> dict[str, Any]:
        """Returns how the envelope was measured, for the result."""
        return {
            "num_perturbations": self.num_perturbations,
            "factor": self._factor,
            "steps": self.steps,
            "max_difference_by_step": [float(value) for value in self.max_difference_by_step],
            "sensitivity": self._sensitivity,
        }

    def _has_close_decision(self, rule: ReduceLR | EarlyStopping, epoch: int) -> bool:
        """Whether an improvement of a loss, before an epoch, was decided by less than the noise."""
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
        """Returns the effect of rounding on losses even if all reference runs are identical.

        The loss of a batch takes some 8 operations, and the mean one addition per batch. Their
        errors have random signs, so their sum grows with the square root of their number.
        """
        rounding = (8 + self._steps_per_epoch**0.5) * self._epsilon
        finite = np.where(np.isfinite(values), np.abs(values), 0.0)
        floor: np.ndarray = np.maximum(self._floor, rounding * finite)
        return floor

    def _loss_noise(self, key: str, steps: np.ndarray) -> np.ndarray:
        apart = self._difference_at(steps)
        noise = np.full(apart.shape, np.inf)
        # Infinity times 0 stays infinity here: a NaN would forbid what has to be allowed.
        np.multiply(
            self._factor * self._sensitivity[key], apart, out=noise, where=np.isfinite(apart)
        )
        return noise

    def _difference_at(self, steps: np.ndarray) -> np.ndarray:
        """Returns the greatest difference at the first recorded step at or after each step."""
        return self.max_difference_by_step[np.searchsorted(self.steps, steps)]

    def _ratio(self, series: Sequence[np.ndarray], distances: Distances, *, stride: int) -> float:
        """Returns the greatest |difference of a loss| / |difference of the weights| of two runs.

        Args:
            series: the losses of each run after every `stride` steps.
            distances: differences of the weights at the recorded steps.
            stride: number of steps from one loss to the next.
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
    """Returns the greatest difference of any weight at each common step, for pairs of runs.

    The pairs are all pairs of runs with the length of the first run, and each shorter run with the
    first.
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
