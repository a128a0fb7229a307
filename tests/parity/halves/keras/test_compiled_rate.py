"""Rates of steps are those with which `fit` makes them."""

import keras
import pytest

from parity.halves.keras.schedules import StepRates


def stairs(rate):
    return keras.optimizers.schedules.ExponentialDecay(rate, 41, 0.5, staircase=True)


def test_the_rate_of_a_step_is_that_of_the_schedule():
    optimizer, rates = keras.optimizers.SGD(stairs(1.0)), StepRates()
    assert [rates.of_step(optimizer, step) for step in (41, 42)] == [1.0, 0.5]


def test_without_a_schedule_it_is_the_present_one():
    optimizer, rates = keras.optimizers.SGD(0.25), StepRates()
    assert rates.of_step(optimizer, 7) == 0.25
    optimizer.learning_rate = 0.125
    assert rates.of_step(optimizer, 7) == pytest.approx(0.125)
