"""Functions of LearningRateScheduler that are arithmetic are told as source; others are not."""

import math
import random
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from rows import each_row

import keras_impl
from parity.halves.keras.check.quoted_code import rates_of

HERE = Path(__file__).parent
STEPS = [(3, 0.05), (6, 0.01)]
FIRST = np.float64(0.25)
seen = []


def constant(epoch, lr):
    if epoch >= 2:
        return 1e-4
    return 1e-3


def decayed(epoch):
    """A docstring."""
    # A comment.
    return 0.003 * math.pow(0.5, math.floor((1 + epoch) / 2))


def by_table(
    epoch,
    lr,
):
    for start, rate in STEPS:
        if epoch == start:
            return rate
    print("epoch", epoch, f"rate {lr}")
    return lr


def of_numpy(epoch, lr, power=2):
    rate = float(FIRST * np.exp(-0.1 * epoch) ** power)
    rate += 1e-5
    return rate if rate > 1e-4 else min(lr, 1e-4)


# fmt: off
def in_one_line(epoch): return 0.1 / (epoch + 1)
# fmt: on


def around(total):
    warm = total // 4

    def warmed(epoch, lr):
        return 0.1 * min(1.0, (epoch + 1) / warm)

    return warmed


def drawn(epoch, lr):
    return lr * random.random()


def of_tensorflow(epoch, lr):
    return float(lr * tf.math.exp(-0.1))


def kept(epoch, lr):
    seen.append(lr)
    return lr


def counted(epoch, lr):
    global seen
    seen = epoch
    return lr


class Holder:
    rate = 0.1

    def method(self, epoch):
        return self.rate / (epoch + 1)


def told(function):
    model = keras.Sequential([L.Input((2,)), L.Dense(1)])
    callbacks = [keras.callbacks.LearningRateScheduler(function)]
    (found,) = rates_of(keras_impl.Reference(model, callbacks=callbacks), HERE)
    return found


def test_a_function_is_told_with_its_comments_its_place_and_what_it_has_from_around_it():
    found = told(decayed)
    assert found["name"] == "decayed"
    assert found["parameters"] == [["epoch", None]]
    assert found["body"].splitlines() == [
        '"""A docstring."""',
        "# A comment.",
        "return 0.003 * math.pow(0.5, math.floor((1 + epoch) / 2))",
    ]
    assert found["source"]["file"] == "test_rate_code.py"
    assert told(by_table)["values"] == {"STEPS": "[(3, 0.05), (6, 0.01)]"}
    assert told(of_numpy)["values"] == {"FIRST": "0.25"}
    assert told(of_numpy)["parameters"][-1] == ["power", "2"]
    assert told(around(20))["values"] == {"warm": "5"}
    assert told(constant)["body"].count("\n") == 2
    assert told(by_table)["body"].startswith("for start, rate in STEPS:\n")


def test_a_lambda_and_a_function_of_one_line_are_told_too():
    assert told(in_one_line)["body"] == "return 0.1 / (epoch + 1)"
    found = told(lambda epoch: 0.1 * 0.9**epoch)
    assert (found["name"], found["body"]) == ("rate", "return 0.1 * 0.9 ** epoch")


@each_row(
    "function",
    [
        *(drawn, of_tensorflow, kept, counted),
        *(Holder().method, partial(constant, lr=1.0), math.exp),
        keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5),
    ],
)
def test_code_that_does_more_is_not_told(function):
    assert told(function) is None


def test_other_callbacks_are_passed_over_and_the_order_is_kept():
    model = keras.Sequential([L.Input((2,)), L.Dense(1)])
    kind = keras.callbacks.LearningRateScheduler
    callbacks = [kind(kept), keras.callbacks.TerminateOnNaN(), kind(constant)]
    found = rates_of(keras_impl.Reference(model, callbacks=callbacks), HERE)
    assert [each and each["name"] for each in found] == [None, "constant"]
