"""Rates of steps are those with which `fit` makes them."""

import keras
import pytest

from parity.halves.keras.schedules import StepRates, num_counted


def test_the_rate_of_a_step_is_that_of_the_schedule_and_without_one_the_present_one():
    stairs = keras.optimizers.schedules.ExponentialDecay(1.0, 41, 0.5, staircase=True)
    scheduled, plain, rates = keras.optimizers.SGD(stairs), keras.optimizers.SGD(0.25), StepRates()
    assert [rates.of_step(scheduled, step) for step in (41, 42)] == [1.0, 0.5]
    rates = StepRates()
    assert rates.of_step(plain, 7) == 0.25
    plain.learning_rate = 0.125
    assert rates.of_step(plain, 7) == pytest.approx(0.125)


def test_a_schedule_counts_batches_where_gradients_are_added_up():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
    weight = keras.Variable([1.0])
    for _ in range(4):
        optimizer.apply([keras.ops.ones(1)], [weight])
    assert (num_counted(optimizer), int(optimizer.iterations)) == (4, 1)
