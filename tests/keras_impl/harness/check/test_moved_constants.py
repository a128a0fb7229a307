"""Constants of optimizers that Keras keeps in float32 are moved in a perturbed pass."""

import keras
import numpy as np
import pytest

from keras_impl.harness.check.noise import perturb_optimizer

OPTIMIZERS = {
    "beta_1": keras.optimizers.Adam,
    "beta_2": keras.optimizers.Nadam,
    "initial_accumulator_value": keras.optimizers.Adagrad,
    "ema_momentum": lambda: keras.optimizers.SGD(use_ema=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_number_keeps_the_digits_that_float32_lacks(name):
    optimizer = OPTIMIZERS[name]()
    perturb_optimizer(optimizer)
    assert isinstance(getattr(optimizer, name), np.float64)


def test_the_first_accumulator_is_the_number_as_it_was_written():
    keras.config.set_floatx("float64")
    plain, moved = keras.optimizers.Adagrad(), keras.optimizers.Adagrad()
    perturb_optimizer(moved)
    for optimizer in (plain, moved):
        optimizer.build([keras.Variable(np.zeros(2))])
    first = [np.asarray(optimizer._accumulators[0])[0] for optimizer in (plain, moved)]
    assert first[1] == 0.1
    assert first[0] == np.float64(np.float32(0.1))
