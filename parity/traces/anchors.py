"""Anchors: recorded states of the reference, and the smallest possible change of a state."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from parity.traces.trace import Weights


# --- Anchors: recorded states of the reference, from which both halves make a few steps again -----
#
# Rounding grows in a float32 training until two right runs are far apart. From a recorded state it
# cannot: whatever came before, both halves have the same numbers, and a few steps in float64 show
# whether they compute the same. So a training can be judged at its end as at its start.


# Made from an anchor. In float64 the first shows any difference of a step, the second what it left
# behind, the third what comes every other time.
NUM_STEPS = 3
PER_EPOCH, LEAST = 3, 20
NUM_MEASURED = 10  # anchors from which the effect of rounding is measured
NUM_CONSTANTS = 4  # of these, anchors from which that of constants in float32 is measured
NUM_VALIDATED = 20  # epochs in front of which the validation samples are evaluated
# Rounding grows with the steps. In float64 it stays below the tolerance up to this number of steps
# (`python benchmarks/accuracy/drift.py`); in float32 it does not for one epoch.
MOST_STEPS_IN_FLOAT64 = 5000
# Parts of the keys of a trace, `anchored/STEP/…`; see `parity.traces.training_recorder`.
MASKS, FLOAT32, MOVED, SIZE = "masks", "float32", "moved", "size"
EXPECTED = "expected"  # how far Keras's step moves the weights of a port, by its own gradients
TRIED = "tried"  # a validation with the module in eval mode
# Of all anchors together, on the disk while a run lasts. A state of 225,034 weights has 2.7 MB.
MOST_BYTES = 2**29


@dataclass(frozen=True)
class Anchor:
    """The state of the reference before a step.

    Attributes:
        step: number of steps that were made before it.
        weights: name to array, in the portable layout.
        slots: slot of the optimizer to name of the weight to array; empty before the first step.
        masks: layer to (2,) int64, its seed and the number of masks drawn so far.
        rates: (steps,) learning rates of the steps from there.
        others: what else the optimizer keeps, by Keras's name, such as "iterations" and
            "u_product".
        batches: what these steps are fed, a nest (x, y, sample_weight) each.
    """

    step: int
    weights: Weights
    slots: Mapping[str, Weights]
    masks: Mapping[str, np.ndarray]
    rates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    others: Mapping[str, np.ndarray] = field(default_factory=dict)
    batches: Sequence[Any] = ()


def are_needed(dtype: str, num_steps: int) -> bool:
    """Whether a run is judged from anchors, and not by its whole training.

    Args:
        dtype: of the training.
        num_steps: of all its epochs.
    """
    return dtype == FLOAT32 or num_steps > MOST_STEPS_IN_FLOAT64


@dataclass(frozen=True)
class AnchorPlan:
    """Where the anchors of a run are.

    Attributes:
        steps: numbers of steps before the anchors, from 0.
        measured: those from which the effect of rounding is measured.
        validated: those at which the validation samples are evaluated; each begins an epoch.
    """

    steps: Sequence[int]
    measured: Sequence[int]
    validated: Sequence[int]

    @classmethod
    def of(cls, steps_per_epoch: int, epochs: int, state_bytes: int, period: int = 1) -> AnchorPlan:
        """Plans the anchors of a run.

        They are the first two steps, and in every epoch its first step, one in the middle, and the
        one from which the last steps of the epoch are made, so that the smaller last batch is among
        them. If all of them together are too large, whole epochs are left out, evenly.

        Args:
            steps_per_epoch: number of batches of an epoch.
            epochs: number of epochs.
            state_bytes: size of one anchor.
            period: after how many batches the optimizer moves the weights.
        """
        last = max(0, steps_per_epoch - NUM_STEPS)
        wanted = max(PER_EPOCH, -(-LEAST // epochs))
        offsets = sorted({round(number * last / (wanted - 1)) for number in range(wanted)})
        most = max(LEAST, MOST_BYTES // max(1, state_bytes)) // len(offsets)
        chosen = spread(range(epochs), most)
        found = {1} | {e * steps_per_epoch + offset for e in chosen for offset in offsets}
        steps = sorted(step for step in found if step < epochs * steps_per_epoch)
        first = [step for step in steps if step % steps_per_epoch == 0]
        return cls.among(steps, first, period)

    @classmethod
    def among(cls, steps: Sequence[int], first: Sequence[int], period: int = 1) -> AnchorPlan:
        """Returns the plan with these anchors.

        Args:
            steps: numbers of steps before them.
            first: those that begin an epoch.
            period: as for `of`.
        """
        return cls(steps, spread(steps, NUM_MEASURED, period), spread(first, NUM_VALIDATED))


def spread(values: Sequence[int], most: int, period: int = 1) -> list[int]:
    """Returns the values, or `most` of them, evenly spread, the first and the last among them.

    Args:
        values: in order.
        most: at least 1.
        period: half of them are in front of a step that ends a period, if there are such values.
    """
    if len(values) <= most:
        return list(values)
    if period > 1:
        ends = [value for value in values if (value + 1) % period == 0]
        return sorted({*spread(ends, most // 2), *spread(values, most - most // 2)})
    return [values[round(n * (len(values) - 1) / max(1, most - 1))] for n in range(most)]


LAST_STEP, OTHERS = "those after the last step", "others"
_SAME = 1e-6  # relative: an average may be kept in another dtype than the weights


def ends_as(num_changed: int, weights: Weights, slots: Mapping[str, Weights]) -> str:
    """Returns what the weights are that a training ends with.

    Args:
        num_changed: numbers that are not those after the last step.
        weights: at the end.
        slots: of the optimizer at the end: slot -> weight -> value.

    Returns:
        LAST_STEP, the name of the slot that they all are, or OTHERS, such as those of an epoch.
    """
    if not num_changed:
        return LAST_STEP
    for slot, values in slots.items():
        pairs = [(value, weights[name]) for name, value in values.items() if name in weights]
        if pairs and all(np.allclose(a, b, rtol=_SAME, atol=0.0) for a, b in pairs):
            return slot
    return OTHERS


# --------------------------------------------------------------------------------------------------
#
# The smallest possible change of a state: each number in it moves by one unit in the last place.
#
# Such a perturbation changes what follows as much as rounding does. It therefore measures what
# float32 allows: a difference between frameworks that is as small may be rounding.


_PIECE = 2**16  # numbers of a weight that are moved at once


def perturbed(weights: Weights, perturbation: int, dtype: str | None = None) -> Weights:
    """Returns weights moved up or down by one ULP each; zeros stay zero.

    Args:
        weights: name to float32 or float64 array.
        perturbation: seed of the directions, at least 1.
        dtype: whose unit it is; None: of that of the weights, which are what they were in any case.
    """
    return dict(perturbed_one_by_one(weights, perturbation, dtype))


def perturbed_one_by_one(
    weights: Mapping[str, np.ndarray], perturbation: int, dtype: str | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the items of `perturbed`, of which one at a time is in memory."""
    generator = np.random.default_rng(perturbation)
    for name, weight in weights.items():
        flat = weight.reshape(-1)
        changed = np.empty_like(flat)
        # Piece by piece: what lies between is several times as large as a weight.
        for start in range(0, flat.size, _PIECE):
            place = slice(start, start + _PIECE)
            changed[place] = _moved(flat[place], generator, dtype)
        yield name, changed.reshape(weight.shape)


def _moved(array: np.ndarray, generator: np.random.Generator, dtype: str | None) -> np.ndarray:
    direction = np.where(generator.random(array.shape) < 0.5, -np.inf, np.inf)
    rounded = array.astype(dtype or array.dtype)
    moved = np.nextafter(rounded, direction.astype(rounded.dtype)).astype(array.dtype)
    # The neighbours of zero are denormal: far smaller than any rounding of the run.
    return np.where(array == 0, array, moved)


def perturbed_state(anchor: Anchor, perturbation: int) -> Anchor:
    """Returns a state in float64, weights and slots moved by one ULP of that; see `perturbed`."""

    def moved(values: Weights) -> Weights:
        return perturbed({name: a.astype(np.float64) for name, a in values.items()}, perturbation)

    slots = {slot: moved(values) for slot, values in anchor.slots.items()}
    return dataclasses.replace(anchor, weights=moved(anchor.weights), slots=slots)
