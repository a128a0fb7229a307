"""Constraints of weights in the probes: they have something to do, and their epsilon is noise.

Keras's norms add 1e-7 to a denominator, which shrinks weights in every step by about as much as
float32 rounds. A port may leave that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.data.probe_inputs import single
from parity.halves.keras import versions
from parity.halves.keras.check.model import named_variables

_GROWS, _MOST = 1.25, 1e4  # from try to try; and at most
_BITES = 0.1  # relative: so much a constraint changes one of the weights


def constraints_of(model: keras.Model) -> dict[str, Any]:
    """Returns the constraints of the weights that have one, by the name of the weight."""
    found = {n: getattr(v, "constraint", None) for n, v in named_variables(model).items()}
    return {name: constraint for name, constraint in found.items() if constraint is not None}


def constrained(name: str, weight: np.ndarray, constraints: Mapping[str, Any]) -> np.ndarray:
    """Returns a weight, or a multiple of it which its constraint changes.

    Args:
        name: of the weight.
        weight: with which a probe would begin.
        constraints: by the name of the weight.

    Returns:
        The least multiple that is tried and is changed; the weight itself if none is.
    """
    if (constraint := constraints.get(name)) is None:
        return weight
    factor = 1.0
    while factor <= _MOST:
        tried = weight * factor
        made = np.asarray(constraint(tf.constant(tried)))
        if np.abs(made - tried).max(initial=0.0) > _BITES * np.abs(tried).max(initial=0.0):
            return single(tried)
        factor *= _GROWS
    return weight


def leave_out_epsilon(layer: Any) -> None:
    """Lets Keras's constraints of the weights of a layer add nothing to their denominators."""
    if versions.IS_KERAS_2:
        return
    for variable in layer.trainable_variables:
        constraint = getattr(variable, "constraint", None)
        if constraint is not None and versions.is_kerass_own(constraint):
            variable.constraint = _WithoutEpsilon(constraint)


class _WithoutEpsilon(keras.constraints.Constraint):
    def __init__(self, constraint: Any) -> None:
        self._constraint = constraint

    def __call__(self, weight: Any) -> Any:
        with versions.epsilon_times(0):
            return self._constraint(weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the constraint."""
        return dict(self._constraint.get_config())
