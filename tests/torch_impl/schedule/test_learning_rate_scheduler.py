"""Rates are set at the beginning of an epoch as Keras's LearningRateScheduler sets them."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from covering import one_test

from torch_impl.schedule import ExponentialDecay, LearningRateScheduler

RATE = 0.1


def keras_rates(schedule, dtype, num_epochs, rate=RATE):
    keras.config.set_floatx(dtype)
    optimizer = keras.optimizers.SGD(rate)
    callback = keras.callbacks.LearningRateScheduler(schedule)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    rates = []
    for epoch in range(num_epochs):
        callback.on_epoch_begin(epoch)
        rates.append(float(optimizer.learning_rate.numpy()))
    return rates


def our_rates(schedule, dtype, num_epochs, rate=RATE):
    weight = torch.zeros(1, dtype=getattr(torch, dtype), requires_grad=True)
    scheduler = LearningRateScheduler(torch.optim.SGD([weight], rate), schedule)
    return [scheduler.step()[0] for _ in range(num_epochs)]


SCHEDULES = {
    "of_both": lambda epoch, lr: lr if epoch < 3 else lr * 0.9,
    "of_the_epoch": lambda epoch: 0.3 / (epoch + 1),
    "with_a_default": lambda epoch, lr=7.0: lr / (epoch + 1.5),
    "number_of_numpy": lambda epoch, lr: np.float32(lr) * np.float32(0.7),
    "double_of_numpy": lambda epoch, lr: np.float64(lr) * 0.7,
}


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_rates_are_those_of_keras(schedule, dtype):
    assert our_rates(schedule, dtype, 20) == keras_rates(schedule, dtype, 20)


def test_a_rate_that_another_has_set_is_what_the_function_gets():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.5)
    scheduler = LearningRateScheduler(optimizer, lambda epoch, lr: lr / 2)
    scheduler.step()
    optimizer.param_groups[0]["lr"] = 8.0
    assert scheduler.step() == [4.0]


def test_a_schedule_of_steps_counts_epochs_here():
    assert our_rates(ExponentialDecay(1.0, 1, 0.5), "float32", 3) == [1.0, 0.5, 0.25]


@one_test
@pytest.mark.parametrize("returned", [1, None, "0.1"], ids=repr)
def test_what_is_no_float_is_an_error_as_in_keras(returned):
    told = rf"schedule\(0\) returned {returned!r}: expected a float"
    for rates, message in ((keras_rates, "should be a float"), (our_rates, told)):
        with pytest.raises(ValueError, match=message):
            rates(lambda epoch, lr: returned, "float32", 1)


def test_a_type_error_of_the_function_is_not_swallowed():
    with pytest.raises(TypeError, match="unsupported operand"):
        our_rates(lambda epoch, lr: lr + "0.1", "float32", 1)
