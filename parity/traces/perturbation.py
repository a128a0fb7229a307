"""The smallest possible change of a state: each number in it moves by one unit in the last place.

Such a perturbation changes what follows as much as rounding does. It therefore measures what
float32 allows: a difference between frameworks that is as small may be rounding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from parity.traces.anchors import Anchor
    from parity.traces.trace import Weights

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
