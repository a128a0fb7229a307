"""What a port is told of regularisers of the user's own."""

from pathlib import Path

import keras
import numpy as np
from keras import layers as L
from keras import ops

from keras_impl.harness.check.regularizer_code import own_regularizers

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
    return own_regularizers([layer], HERE)


def test_a_class_and_a_function_are_told_by_layer_and_setting():
    found = told(kernel_regularizer=Spread(0.5), activity_regularizer=greatest)
    assert sorted(found) == ["dense/activity_regularizer", "dense/kernel_regularizer"]
    spread, function = found["dense/kernel_regularizer"], found["dense/activity_regularizer"]
    assert (spread["class"], spread["values"]["factor"]) == ("Spread", "0.5")
    assert spread["source"]["text"].startswith("class Spread(keras.regularizers.Regularizer):")
    assert (function["class"], function["values"], function["held"]) == ("greatest", {}, {})


def test_those_of_keras_are_not_told():
    assert told(kernel_regularizer="l2", bias_regularizer=keras.regularizers.L1(0.1)) == {}
    assert told() == {}
