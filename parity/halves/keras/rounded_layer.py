"""What a layer of a port in float32 may round, on the way forward and on the way back.

The output of a layer of Keras, in float64, goes in. It comes out as far off as float32 may compute
it; its gradient is moved as much when it comes back. The perturbed passes of a check measure what
that does to all that follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from parity.ladder.tolerance import FACTOR_OF_FLOAT32, NOISE_FACTOR

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


def rounded_layer(kind: str, given: Any, output: Any, generator: np.random.Generator) -> Any:
    """Returns what a layer makes as float32 may compute it, with a gradient that is rounded, too.

    Args:
        kind: of the call, as `kinds.py` names it.
        given: its first input.
        output: float64; other tensors, such as tokens, are left alone.
        generator: draws how much each value moves.
    """
    if kind in _EXACT:
        return output
    terms = 1.0
    if kind in _SUMS or kind.startswith("unknown:"):
        sizes = [int(tf.size(value)) for value in (given, output) if tf.is_tensor(value)]
        terms = sizes[0] / sizes[1] if len(sizes) == 2 and sizes[1] else 1.0
    return tf.nest.map_structure(lambda value: _both_ways(value, terms, generator), output)


def with_rounded_gradient(images: Any, dtype: str, generator: np.random.Generator) -> Any:
    """Returns images; their gradient is as far off as a layer in float32 may make it.

    The place of a pixel is a sum of two products and a shift, each as large as a side, and three
    roundings more are in the inverse map by which gradients move: so a place, and the weight of a
    pixel, are off by up to 4 (H + W) 2**-24. The mean of a channel sums up rows, then columns, and
    moves all its gradients alike by (H + W) 2**-24. What is measured is multiplied by a factor,
    which is taken back.

    Args:
        images: (N, H, W, C), floating.
        dtype: of the port.
        generator: draws how much each gradient moves.
    """
    if not tf.is_tensor(images) or not images.dtype.is_floating or images.shape.rank != 4:
        return images
    factor = FACTOR_OF_FLOAT32 if dtype == "float32" else NOISE_FACTOR
    unit = (images.shape[1] + images.shape[2]) * 2.0**-24 / factor

    def gradient(upstream: Any) -> Any:
        size = tf.abs(upstream)
        own = 4 * tf.reduce_max(size) * generator.uniform(-1, 1, upstream.shape)
        mean = tf.reduce_mean(size, (1, 2), keepdims=True)
        alike = mean * generator.choice([-1.0, 1.0], mean.shape)
        return upstream + unit * (tf.cast(own, upstream.dtype) + tf.cast(alike, upstream.dtype))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def same(value: Any) -> Any:
        return tf.identity(value), gradient

    return same(images)


def _both_ways(value: Any, terms: float, generator: np.random.Generator) -> Any:
    if not tf.is_tensor(value) or not value.dtype.is_floating or not tf.size(value):
        return value

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def rounded(value: Any) -> Any:
        return (
            _rounded(value * (1 + _of_a_sum(terms)), generator),
            lambda upstream: _summed(_rounded(upstream, generator), generator),
        )

    return rounded(value)


def _of_a_sum(terms: float) -> float:
    """Returns by what share of its terms a sum may be off that adds one after the other.

    At most 2**-24 for each addition (Higham, Accuracy and Stability of Numerical Algorithms, 4.2),
    and nearly so if all terms are alike, as a mean over an image has them. That is a bound, so the
    factor of what is measured is taken back.
    """
    return (terms - 1) * 2.0**-24 / FACTOR_OF_FLOAT32


def _summed(upstream: Any, generator: np.random.Generator) -> Any:
    """Returns gradients as far off as sums over samples and places make them, each channel alike.

    The gradient of a bias is such a sum, and a normalisation takes the mean of its gradients away.
    """
    if upstream.shape.rank < 2:
        return upstream
    axes = list(range(upstream.shape.rank - 1))
    channels = upstream.shape[-1]
    share = _of_a_sum(upstream.shape.num_elements() / channels)
    size = tf.reduce_mean(tf.abs(upstream), axes)
    return upstream + share * size * generator.choice([-1.0, 1.0], channels)


def _rounded(values: Any, generator: np.random.Generator) -> Any:
    """Returns numbers as far off as float32 may compute them.

    A sum that cancels is off by a share of its terms, so numbers of both signs move by a share of
    the largest one, others by a share of themselves. Equal numbers move alike, and zeros stay: a
    pool that has to choose between them chooses as before.
    """
    largest = tf.reduce_max(tf.abs(values))
    size = tf.where(tf.reduce_min(values) < 0 < tf.reduce_max(values), largest, tf.abs(values))
    # A sine of a large number is as good as a random one, and the same for the same number.
    frequency = (1 + generator.random()) / (_APART * tf.maximum(largest, 1e-300))
    draw = tf.sin(values * frequency + 2 * np.pi * generator.random())
    return values + tf.where(values == 0, tf.zeros_like(values), _UNITS * 2.0**-24 * size * draw)
