"""Penalties in float64, which Keras keeps in float32. Sounds: tests/corpus/layer_kinds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from parity.halves.keras import float64


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    kind = keras.regularizers.OrthogonalRegularizer
    monkeypatch.setattr(kind, "__call__", kind.__call__)  # to be as before afterwards
    before = keras.config.floatx()
    float64.install()
    float64.install()  # a second time changes nothing
    yield
    keras.config.set_floatx(before)


# One pair of columns, of which the cosine is 1 / sqrt(2).
WEIGHTS, COSINE = [[1.0, 1.0], [0.0, 1.0]], 1 / np.sqrt(2)


def penalty_of(dtype, factor=0.01):
    keras.config.set_floatx(dtype)
    penalty = keras.regularizers.OrthogonalRegularizer(factor, mode="columns")
    value = penalty(tf.constant(WEIGHTS, dtype))
    assert value.dtype == dtype
    return penalty, float(value)


ROUNDED = float(np.float32(0.01))


def test_an_orthogonal_penalty_takes_weights_in_float64_with_its_factor_in_float32():
    penalty, value = penalty_of("float64")
    assert penalty.get_config() == {"factor": ROUNDED, "mode": "columns"}
    assert value == pytest.approx(ROUNDED * COSINE, rel=1e-14)


def test_in_float32_it_is_as_before():
    _, value = penalty_of("float32")
    assert value == pytest.approx(0.01 * COSINE, rel=1e-6)
