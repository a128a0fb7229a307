"""What moves a twin by as much as Keras rounds to float32, by the measure of a check."""

import json

import keras
import pytest
import torch
from conversions import default_dtype

from parity.conversions.twin import Twin
from parity.conversions.twin_trace import moved_pass, moved_weights

X = torch.tensor([[1.0, -4.0]], dtype=torch.float64)


def twin_of(layer):
    model = keras.Sequential([keras.Input((2,)), layer])
    with default_dtype():
        return Twin(json.loads(model.to_json()))


def test_a_slope_moves_by_two_roundings_of_float32_over_thirty():
    moved = moved_pass(twin_of(keras.layers.LeakyReLU(0.5)), X, 1)[1]
    # -4 * 0.5, and 2 * 2**-24 / 30 of it more, as in a check.
    assert moved[0, 0] == 1.0
    assert float(moved[0, 1] + 2) == pytest.approx(-2 * 2 * 2.0**-24 / 30, rel=1e-6)


def test_a_model_without_such_constants_moves_by_rounding_in_float64():
    twin = twin_of(keras.layers.Dense(2, activation="relu"))
    before = twin.module.requires_grad_(False)(X)
    assert float((moved_pass(twin, X, 1)[1] - before).abs().max()) < 1e-14
    with moved_weights(twin, 1):
        pass
    assert torch.equal(twin.module(X), before)
