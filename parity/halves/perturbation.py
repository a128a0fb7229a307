"""The smallest possible change of initial weights: each moves by one unit in the last place.

Such a perturbation changes a run as much as rounding does. It therefore measures what float32
allows: a difference between frameworks within that envelope may be rounding.
"""

from __future__ import annotations

import numpy as np

from parity.traces.trace import Weights


def perturbed(weights: Weights, perturbation: int) -> Weights:
    """Returns weights moved up or down by one ULP each; zeros stay zero.

    Args:
        weights: name to float32 or float64 array.
        perturbation: seed of the directions, at least 1.
    """
    generator = np.random.default_rng(perturbation)
    result = {}
    for name, weight in weights.items():
        direction = np.where(generator.random(weight.shape) < 0.5, -np.inf, np.inf)
        moved = np.nextafter(weight, direction.astype(weight.dtype))
        # The neighbours of zero are denormal: far smaller than any rounding of the run.
        result[name] = np.where(weight == 0, weight, moved)
    return result
