"""The smallest change that a run can start with: every weight moved by one unit in the last place.

What such a perturbation makes of a run is what rounding makes of it, which is how float32
differences are judged: a difference between frameworks within that envelope cannot be told from
rounding.
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
