"""What both halves draw: how many initial weights, and the shared axes of dropouts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# --- How many initial weights both halves draw, so that a small kernel can be judged too ----------
#
# A kernel of 16 values shows no distribution. Both halves therefore draw it more often, until there
# are ENOUGH values, as long as this is cheap.


ENOUGH = 1_000  # values of a weight: another bound or form shows with these
MAX_DRAWS = 64
MAX_ENTRIES = 20_000  # of one draw; an orthogonal matrix is judged whole
MAX_MATRIX = 300_000  # entries of an orthogonal matrix
ENOUGH_UNKNOWN = 4_000  # the same of an initialiser without a formula: two samples are compared
FEW = 8  # fewer values do not tell a constant from a draw, nor one distribution from another

# Keras's initialisers, by their class: those that draw by a formula, and those that draw nothing.
RANDOM = frozenset(
    (
        *("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"),
        *("VarianceScaling", "RandomUniform", "RandomNormal", "TruncatedNormal", "Orthogonal"),
    )
)
CONSTANT = frozenset(("Zeros", "Ones", "Constant", "Identity", "STFT"))


def enough(initializer: str | None) -> int:
    """Returns how many values of a weight are drawn, by the class of its Keras initialiser."""
    return ENOUGH if initializer in RANDOM else ENOUGH_UNKNOWN


def num_draws(size: int, wanted: int = ENOUGH) -> int:
    """Returns how often a weight of `size` values is drawn."""
    return min(MAX_DRAWS, math.ceil(wanted / size)) if size else 1


def is_constant(draws: np.ndarray) -> bool:
    """Whether every draw (row) has the same values, of which there are only a few different ones.

    A random weight can look like this only with fewer than FEW values and one draw.
    """
    if not draws.size or not np.array_equal(draws, np.broadcast_to(draws[0], draws.shape)):
        return False
    return bool(len(np.unique(draws[0])) <= max(1, draws.shape[1] // 4))


# --------------------------------------------------------------------------------------------------
#
# Along which axes a dropout drops the same: none for single values, the places for channels.
#
# Masks of a dropout go in, drawn one after the other. The axes along which each of them is the same
# come out, if that is no chance.


CHANCE = 1e-5  # of values that are the same along an axis by themselves, from which nobody knows


def shared_axes(masks: Sequence[np.ndarray]) -> list[int] | None:
    """Returns the axes along which masks are the same, rising; None if it may be chance.

    Args:
        masks: of one dropout, with the same number of axes. Each has two values, whatever they are.
            An axis of length 1 is not among the axes.
    """
    shared = [
        axis
        for axis in range(masks[0].ndim)
        if any(mask.shape[axis] > 1 for mask in masks)
        and all((mask == mask.take([0], axis)).all() for mask in masks)
    ]
    return shared if all(_chance(masks, shared, axis) < CHANCE for axis in shared) else None


def _chance(masks: Sequence[np.ndarray], shared: Sequence[int], axis: int) -> float:
    """Returns how likely masks that share all but one of these axes are the same along it, too."""
    drawn = [
        mask[tuple(slice(1) if a in shared else slice(None) for a in range(mask.ndim))]
        for mask in masks
    ]
    values = np.concatenate([part.ravel() for part in drawn])
    repeated = np.concatenate(
        [
            np.full(part.size, mask.shape[axis] - 1.0)
            for part, mask in zip(drawn, masks, strict=True)
        ]
    )
    share = (values == values[0]).mean()
    of_one = np.where(values == values[0], share, 1 - share)
    return float(np.exp((np.log(of_one) * repeated).sum()))
