"""What a port is told of regularisers and constraints of the user's own."""

from pathlib import Path

import keras
import numpy as np
from keras import layers as L
from keras import ops

from parity.halves.keras.check.quoted_code import own_rules

HERE = Path(__file__).parent


class Spread(keras.regularizers.Regularizer):
    """Has a number, and an array."""

    def __init__(self, factor):
        self.factor, self.table = factor, np.ones(300)

    def __call__(self, x):
        return self.factor * ops.max(x)


def greatest(x):
    return ops.max(x)


def told(**settings):
    layer = L.Dense(2, name="dense", **settings)
    layer.build((None, 3))
    return own_rules([layer], HERE)


def test_a_class_and_a_function_are_told_by_layer_and_setting():
    found = told(kernel_regularizer=Spread(0.5), activity_regularizer=greatest)
    assert sorted(found) == ["dense/activity_regularizer", "dense/kernel_regularizer"]
    spread, function = found["dense/kernel_regularizer"], found["dense/activity_regularizer"]
    assert (spread["class"], spread["values"]["factor"]) == ("Spread", "0.5")
    assert spread["source"]["text"].startswith("class Spread(keras.regularizers.Regularizer):")
    assert (function["class"], function["values"], function["held"]) == ("greatest", {}, {})


class Clip(keras.constraints.Constraint):
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, w):
        return ops.clip(w, -self.limit, self.limit)


def test_constraints_are_told_as_regularisers_are():
    found = told(kernel_constraint=Clip(0.01), bias_constraint=greatest)
    assert sorted(found) == ["dense/bias_constraint", "dense/kernel_constraint"]
    assert found["dense/kernel_constraint"]["class"] == "Clip"
    assert found["dense/kernel_constraint"]["values"] == {"limit": "0.01"}
    assert found["dense/bias_constraint"]["class"] == "greatest"
    assert told(kernel_constraint="non_neg", bias_constraint=keras.constraints.MaxNorm(2)) == {}


def test_those_of_keras_are_not_told():
    assert told(kernel_regularizer="l2", bias_regularizer=keras.regularizers.L1(0.1)) == {}
    assert told() == {}
