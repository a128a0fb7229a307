"""Constants of optimizers that Keras keeps in float32 are moved in a pass of their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras.check.noise import (
    ChangeWriter,
    has_rounded_constants,
    moved_by_constants,
    perturb_optimizer,
)

OPTIMIZERS = {
    "beta_1": keras.optimizers.Adam,
    "beta_2": keras.optimizers.Nadam,
    "rho": keras.optimizers.RMSprop,
    "initial_accumulator_value": keras.optimizers.Adagrad,
    "ema_momentum": lambda: keras.optimizers.SGD(use_ema=True),
    "adam_beta_1": keras.optimizers.Muon,
}


pytestmark = pytest.mark.usefixtures("in_float64")


@each_row("name", OPTIMIZERS)
def test_a_number_keeps_the_digits_that_float32_lacks(name):
    optimizer = OPTIMIZERS[name]()
    perturb_optimizer(optimizer)
    assert isinstance(getattr(optimizer, name), np.float64)


def test_the_first_accumulator_is_the_number_as_it_was_written():
    plain, moved = keras.optimizers.Adagrad(), keras.optimizers.Adagrad()
    perturb_optimizer(moved)
    for optimizer in (plain, moved):
        optimizer.build([keras.Variable(np.zeros(2))])
    first = [np.asarray(optimizer._accumulators[0])[0] for optimizer in (plain, moved)]
    assert first[1] == 0.1
    assert first[0] == np.float64(np.float32(0.1))


def adam_by_hand(gradients, rate, beta_1, beta_2, epsilon):
    """Adam with its constants as they are written, by its paper; returns the last weight."""
    weight = momentum = velocity = 0.0
    for step, gradient in enumerate(gradients, start=1):
        momentum = beta_1 * momentum + (1 - beta_1) * gradient
        velocity = beta_2 * velocity + (1 - beta_2) * gradient**2
        scale = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        weight -= scale * momentum / (np.sqrt(velocity) + epsilon)
    return weight


def test_adam_with_moved_constants_is_adam_as_it_is_written():
    gradients, found = [0.3, -0.2, 0.7, 0.1, -0.4], []
    for moves in (False, True):
        weight = keras.Variable(np.zeros(1))
        optimizer = keras.optimizers.Adam(0.01)
        if moves:
            perturb_optimizer(optimizer)
        for gradient in gradients:
            optimizer.apply([tf.constant([gradient], tf.float64)], [weight])
        found.append(float(weight.numpy()[0]))
    expected = adam_by_hand(gradients, 0.01, 0.9, 0.999, 1e-7)
    assert found[1] == pytest.approx(expected, rel=1e-14)
    assert 1e-9 < abs(found[0] / expected - 1) < 1e-5


@each_row("is_compiled", [False, True])
def test_a_constant_times_a_variable_follows_the_variable(is_compiled):
    """NumPy would make an array of it, and a compiled step would keep that one."""
    optimizer = keras.optimizers.Adam()
    perturb_optimizer(optimizer)
    variable = keras.Variable(np.ones(2))

    def product():
        return keras.ops.sum(optimizer.beta_1 * variable)

    call = tf.function(product) if is_compiled else product
    assert float(call()) == 1.8
    variable.assign([2.0, 3.0])
    assert float(call()) == 4.5


@each_row(
    "optimizer, expected",
    [
        (lambda: keras.optimizers.SGD(0.1), False),
        (lambda: keras.optimizers.SGD(0.1, momentum=0.5), False),
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9), True),
        (lambda: keras.optimizers.SGD(0.1, use_ema=True), True),
        (lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 9)), True),
        (keras.optimizers.Adam, True),
    ],
)
def test_only_numbers_that_float32_rounds_need_a_pass(optimizer, expected):
    assert has_rounded_constants(optimizer()) is expected


def test_constants_count_only_if_nothing_changed_before_the_first_step():
    first = {"forward/train/output": np.ones(2), "trajectory/1/kernel": np.ones(2)}
    first |= {"optimizer/1/velocity/kernel": np.ones(2), "gradient/kernel": np.ones(2)}
    writer = ChangeWriter(first=first)
    for key in first:
        writer.put(key, np.array([1.0, 1.25]) if key.startswith(("tr", "op")) else first[key])
    moved = {"trajectory/1/kernel": 0.25, "optimizer/1/velocity/kernel": 0.25}
    assert moved_by_constants(writer) == moved
    writer.put("forward/train/output", np.array([1.0, 1.001]))  # a mask that is drawn anew
    assert moved_by_constants(writer) == {}
