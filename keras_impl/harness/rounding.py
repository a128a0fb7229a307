"""What float32 may change in a model that computes in float64.

The output of a layer goes in. It comes out moved by as much as float32 may change it there; the
perturbed pass of a check measures what that does to all that follows. Some layers of Keras have
float32 inside; and a port may be in float32, which then rounds in each of its layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from parity.ladder.tolerance import FACTOR_OF_FLOAT32, NOISE_FACTOR

# A constant that is rounded to float32 differs by at most 2**-24 of itself; a derivative may have
# it twice. What is measured is multiplied by NOISE_FACTOR, since a port rounds in every operation;
# a constant is rounded once.
OF_A_CONSTANT = 2 * 2.0**-24 / NOISE_FACTOR
# Computed in float32: TensorFlow has no other kernel, or a user's code asks for it.
_FLOAT32 = {"upsampling", "float32"}
# From here on torch's softplus returns its input: log(1 + exp(-20)), 2e-9, less than Keras's.
_SOFTPLUS_LIMIT = 20.0
# These return some of the numbers that they were given, so they do not round.
_EXACT = frozenset(
    [
        *("activation:relu", "activation:relu6", "activation:linear"),
        *("max_pool", "global_max_pool", "maximum", "minimum", "zero_padding", "cropping"),
        *("flatten", "reshape", "permute", "repeat", "concatenate", "embedding", "dropout"),
    ]
)
# Each value of these is a mean of many.
_SUMS = frozenset(["average_pool", "global_average_pool"])
# What a layer of a port in float32 may be off by, in units of 2**-24: a sum of some hundred
# products rounds some hundred times, in either direction.
_UNITS = 4.0
# Numbers that differ by more than this share of the largest one are moved independently.
_APART = 1e-10


@dataclass(frozen=True)
class Perturbation:
    """How numbers that are rounded move in a perturbed pass.

    Attributes:
        seed: of the directions and sizes, at least 1.
        dtype: of the port: "float64" or "float32".
    """

    seed: int
    dtype: str = "float64"

    def later(self, number: int) -> Perturbation:
        """Returns another one for a later part of the pass."""
        return Perturbation(self.seed + number, self.dtype)


def moved(
    kind: str,
    config: Mapping[str, Any],
    given: Any,
    output: Any,
    generator: np.random.Generator,
    dtype: str = "float64",
) -> Any:
    """Returns the output of a call, moved by as much as float32 may change it.

    Args:
        kind: of the call, as `kinds.py` names it; "float32" for code that computes in float32.
        config: of the layer.
        given: first input of the call.
        output: of the call, float64.
        generator: draws how much each value moves.
        dtype: of the port. In float32 each layer rounds what it computes.
    """
    if dtype == "float32" and kind not in _EXACT:
        is_sum = kind in _SUMS or kind.startswith("unknown:")
        terms = tf.size(given) / tf.size(output) if is_sum and tf.is_tensor(output) else 1
        output = tf.nest.map_structure(lambda value: _rounding(value, terms, generator), output)
    if kind in _FLOAT32 and config.get("interpolation") != "nearest":
        # Upwards only: values that are rounded alike move in the same direction.
        return output * (1 + 2.0**-24 * generator.random(output.shape))
    # A recurrent layer has its hard sigmoid inside.
    is_hard = "hard_sigmoid" in (config.get("activation"), config.get("recurrent_activation"))
    change = _hard_sigmoid if is_hard else _CHANGES.get(kind)
    return output if change is None else output + change(config, given, output)


def _rounding(output: Any, terms: float, generator: np.random.Generator) -> Any:
    """Returns an output as float32 may compute it; its gradient is rounded on the way back.

    Args:
        output: a tensor.
        terms: number of values that each of its values is a sum of.
        generator: draws how much each value moves.
    """
    if not output.dtype.is_floating:
        return output

    @tf.custom_gradient
    def both_ways(value: Any) -> Any:
        return (
            _rounded(value * (1 + _of_a_sum(terms)), generator),
            lambda upstream: _summed(_rounded(upstream, generator), generator),
        )

    return both_ways(output)


def _of_a_sum(terms: Any) -> Any:
    """Returns by what share of its terms a sum may be off that adds one after the other.

    At most 2**-24 a term (Higham, Accuracy and Stability of Numerical Algorithms, 4.2), and nearly
    so if all are alike, as a mean over an image has them. That is a bound, so the factor of what
    is measured is taken back.
    """
    return tf.cast(terms, tf.float64) * 2.0**-24 / FACTOR_OF_FLOAT32


def _summed(upstream: Any, generator: np.random.Generator) -> Any:
    """Returns gradients as far off as sums over samples and places make them, each channel alike.

    The gradient of a bias is such a sum, and a normalisation takes the mean of its gradients away.
    """
    if upstream.shape.rank < 2:
        return upstream
    axes = list(range(upstream.shape.rank - 1))
    channels = upstream.shape[-1]
    share = _of_a_sum(tf.size(upstream) / channels)
    size = tf.reduce_mean(tf.abs(upstream), axes)
    return upstream + share * size * generator.choice([-1.0, 1.0], channels)


def _rounded(output: Any, generator: np.random.Generator) -> Any:
    """Returns numbers as far off as float32 may compute them.

    A sum that cancels is off by a share of its terms, so numbers of both signs move by a share of
    the largest one, others by a share of themselves. Equal numbers move alike, and zeros stay: a
    pool that has to choose between them chooses as before.
    """
    if not tf.size(output):
        return output
    largest = tf.reduce_max(tf.abs(output))
    size = tf.where(tf.reduce_min(output) < 0 < tf.reduce_max(output), largest, tf.abs(output))
    # A sine of a large number is as good as a random one, and the same for the same number.
    frequency = (1 + generator.random()) / (_APART * tf.maximum(largest, 1e-300))
    draw = tf.sin(output * frequency + 2 * np.pi * generator.random())
    return output + tf.where(output == 0, tf.zeros_like(output), _UNITS * 2.0**-24 * size * draw)


def _softplus(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    left_out = tf.where(given > _SOFTPLUS_LIMIT, given - output, tf.zeros_like(output))
    return left_out * (2 / NOISE_FACTOR)


def _gelu(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    """By the root of 2, whose derivative of gelu is x**2 times the density of a normal."""
    return OF_A_CONSTANT * given**2 * tf.exp(-0.5 * given**2) / np.sqrt(2 * np.pi)


def _leaky_relu(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    return OF_A_CONSTANT * tf.where(given < 0, output, tf.zeros_like(output))


def _hard_sigmoid(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    """Nothing, with a derivative: torch has its constant in float32 there, and Keras has none."""
    return OF_A_CONSTANT * (output - tf.stop_gradient(output))


def _rescaling(config: Mapping[str, Any], given: Any, output: Any) -> Any:
    offset = config.get("offset", 0.0)
    return OF_A_CONSTANT * (output - 2 * tf.constant(offset, output.dtype))


def _normalization(config: Mapping[str, Any], given: Any, output: Any) -> Any:
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:  # weights, which are float64
        return tf.zeros_like(output)
    offset = np.max(np.abs(mean) / np.sqrt(np.maximum(variance, 1e-14)))
    return OF_A_CONSTANT * (output + float(offset))


# TensorFlow computes these with constants in float32. All values move alike, as one constant would
# move them: what follows may hide that, such as a normalisation, and hides it in the port as well.
_CHANGES = {
    "activation:softplus": _softplus,
    "activation:gelu": _gelu,
    "activation:leaky_relu": _leaky_relu,
    "activation:hard_sigmoid": _hard_sigmoid,
    "rescaling": _rescaling,
    "normalization": _normalization,
}
