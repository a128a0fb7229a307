"""Masks of float32 in float64: so that a step in either precision drops the same values.

TensorFlow draws other random numbers in float64. A float32 training that is repeated in float64 is
to be the same training, its masks included.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf


@contextmanager
def float32_masks() -> Iterator[None]:
    """Makes the dropout layers that are called in the block draw their masks as in float32."""
    # A layer looks this function up when it is called.
    random: Any = keras.src.backend.random
    dropout = random.dropout

    def drawn_in_float32(
        inputs: tf.Tensor, rate: float, noise_shape: Any = None, seed: Any = None
    ) -> tf.Tensor:
        ones = tf.ones_like(inputs, dtype=tf.float32)
        keep = dropout(ones, rate, noise_shape=noise_shape, seed=seed) > 0
        # A product with the mask would turn a dropped infinity into NaN.
        return tf.where(keep, inputs * (1 / (1 - rate)), tf.zeros((), inputs.dtype))

    random.dropout = drawn_in_float32
    try:
        yield
    finally:
        random.dropout = dropout
