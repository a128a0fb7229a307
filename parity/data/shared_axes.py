"""Along which axes a dropout drops the same: none for single values, the places for channels.

Masks of a dropout go in, drawn one after the other. The axes along which each of them is the same
come out, if that is no chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
