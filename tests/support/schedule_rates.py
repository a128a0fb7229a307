"""The rates of a schedule step by step, Keras's and ours, for the tests of schedules."""

import inspect

import keras
import numpy as np
import tensorflow as tf
import torch
from traced import as_one_call

from torch_impl import schedule


def keras_rate(value):
    return float(np.asarray(value))


def keras_rates(name, steps, dtype, *, compiled=False, **arguments):
    """Keras's; where the first rate is a number of NumPy, Keras computes in its dtype.

    `compiled`: as in the graph of `fit`, which TensorFlow rewrites.
    """
    if "initial_learning_rate" in arguments:
        first = np.dtype(dtype).type(arguments.pop("initial_learning_rate"))
        arguments = {"initial_learning_rate": first, **arguments}
    rate = getattr(keras.optimizers.schedules, name)(**arguments)
    # A variable of whole numbers is what an optimizer counts in.
    count = keras.Variable(0, dtype="int32")
    rate_now = (tf.function if compiled else as_one_call)(lambda: rate(count))
    rates = []
    for step in steps:
        count.assign(step)
        rates.append(keras_rate(rate_now()))
    return rates


def our_rates(name, steps, dtype, *, compiled=False, **arguments):
    rate = getattr(schedule, name)(**arguments)
    return [rate(step, getattr(torch, dtype), compiled=compiled) for step in steps]


def assert_defaults_are_those_of_keras(name):
    theirs = inspect.signature(getattr(keras.optimizers.schedules, name)).parameters
    ours = inspect.signature(getattr(schedule, name)).parameters
    assert [key for key in theirs if key != "name"] == list(ours)
    for key, parameter in ours.items():
        assert parameter.default == theirs[key].default, key
