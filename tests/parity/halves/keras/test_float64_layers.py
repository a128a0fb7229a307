"""Penalties in float64, which Keras keeps in float32. Sounds: tests/corpus/layer_kinds."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras import float64

# One pair of columns, of which the cosine is 1 / sqrt(2).
WEIGHTS, COSINE = [[1.0, 1.0], [0.0, 1.0]], 1 / np.sqrt(2)
ROUNDED = float(np.float32(0.01))


@each_row("dtype, factor, rounding", [("float64", ROUNDED, 1e-14), ("float32", 0.01, 1e-6)])
def test_an_orthogonal_penalty_has_the_dtype_of_its_weights_and_its_factor_in_float32(
    dtype, factor, rounding, monkeypatch
):
    kind = keras.regularizers.OrthogonalRegularizer
    monkeypatch.setattr(kind, "__call__", kind.__call__)  # to be as before afterwards
    float64.install()
    float64.install()  # a second time changes nothing
    keras.config.set_floatx(dtype)
    penalty = kind(0.01, mode="columns")
    value = penalty(tf.constant(WEIGHTS, dtype))
    assert (value.dtype, float(value)) == (dtype, pytest.approx(factor * COSINE, rel=rounding))
    assert penalty.get_config() == {"factor": ROUNDED, "mode": "columns"}
