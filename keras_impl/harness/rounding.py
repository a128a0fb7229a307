"""What float32 inside of Keras may change in a model that computes in float64.

The output of a layer goes in. It comes out moved by as much as float32 may change it there; the
perturbed pass of a check measures what that does to all that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from parity.ladder.tolerance import NOISE_FACTOR

# A constant that is rounded to float32 differs by at most 2**-24 of itself. A derivative may have
# it twice, and the other half may round it too. What is measured is multiplied by NOISE_FACTOR,
# since a port rounds in every operation; a constant is rounded once.
OF_A_CONSTANT = 4 * 2.0**-24 / NOISE_FACTOR
# TensorFlow computes these with one constant in float32. In hard_sigmoid it is torch that does, in
# the derivative.
_ONE_CONSTANT = {"activation:gelu", "activation:hard_sigmoid", "activation:leaky_relu"}
# Computed in float32: TensorFlow has no other kernel, or a user's code asks for it.
_FLOAT32 = {"upsampling", "float32"}
# From here on torch's softplus returns its input: log(1 + exp(-20)), 2e-9, less than Keras's.
_SOFTPLUS_LIMIT = 20.0


def moved(
    kind: str, config: Mapping[str, Any], given: Any, output: Any, generator: np.random.Generator
) -> Any:
    """Returns the output of a call, moved by as much as float32 may change it.

    Args:
        kind: of the call, as `kinds.py` names it; "float32" for code that computes in float32.
        config: of the layer.
        given: first input of the call.
        output: of the call, float64.
        generator: draws how much each value moves.
    """
    if kind == "activation:softplus":
        left_out = tf.where(given > _SOFTPLUS_LIMIT, output - given, tf.zeros_like(output))
        return output - left_out * (2 / NOISE_FACTOR)
    drawn = generator.random(output.shape)
    if kind in ("rescaling", "normalization"):
        return output + OF_A_CONSTANT * drawn * (abs(output) + _offset(config))
    inner = config.get("activation"), config.get("recurrent_activation")
    if kind in _ONE_CONSTANT or "hard_sigmoid" in inner:
        size = OF_A_CONSTANT
    elif kind in _FLOAT32 and config.get("interpolation") != "nearest":
        size = 2.0**-24
    else:
        return output
    # Upwards only: a rounded constant moves all values in the same direction.
    return output * (1 + size * drawn)


def _offset(config: Mapping[str, Any]) -> float:
    """Returns the largest constant that a layer adds: an offset, or a mean in deviations."""
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:
        return float(np.abs(config.get("offset", 0.0)).max())
    return float(np.max(np.abs(mean) / np.sqrt(np.maximum(variance, 1e-14))))
