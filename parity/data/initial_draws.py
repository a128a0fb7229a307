"""How many initial weights both halves draw, so that a small kernel can be judged too.

A kernel of 16 values shows no distribution. Both halves therefore draw it more often, until there
are ENOUGH values, as long as this is cheap.
"""

from __future__ import annotations

import math

import numpy as np

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
