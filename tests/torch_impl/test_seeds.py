"""KerasSeeds draws what Keras draws after `keras.utils.set_random_seed`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from helpers import SEEDS, UNSEEN_SEEDS, fed_by_keras

from torch_impl.seeds import KerasSeeds

pytestmark = pytest.mark.usefixtures("direct")


@one_test
@pytest.mark.parametrize("seed", SEEDS + UNSEEN_SEEDS)
def test_layer_seeds_are_those_of_keras_layers_in_the_order_of_construction(seed):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Conv2D(2, 3),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(3),
        keras.layers.MaxPooling2D(),  # draws nothing
        keras.layers.Dropout(0.0),  # draws nothing either
        keras.layers.Dropout(0.9),
        keras.layers.Dense(3),
    ]
    theirs = [
        int(layer.seed_generator.state.numpy()[0])
        if isinstance(layer, keras.layers.Dropout)
        else layer.kernel_initializer.seed
        for layer in layers
        if getattr(layer, "rate", 1) > 0 and not isinstance(layer, keras.layers.MaxPooling2D)
    ]
    seeds = KerasSeeds(seed)
    assert [seeds.next_layer_seed() for _ in theirs] == theirs


@one_test
@pytest.mark.parametrize("seed", [0, 42, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("length", [1, 3, 100, 1000])
def test_fit_feeds_the_samples_in_the_order_of_fit_order_in_every_epoch(seed, length):
    """Whatever was drawn before, which `fit_order` does not move."""
    keras.utils.set_random_seed(seed)
    seeds = KerasSeeds(seed)
    tf.random.uniform((5,))
    np.random.random(3)
    x = np.zeros((length, 1), np.float32)
    fed = fed_by_keras({"x": x, "y": np.arange(length)}, epochs=2, batch_size=256)
    order = seeds.fit_order(length)
    assert order.dtype == torch.int64
    np.testing.assert_array_equal(np.concatenate([y for _, y in fed]), torch.cat([order, order]))
    assert seeds.numpy.random_sample() == np.random.RandomState(seed).random_sample()


@one_test
@pytest.mark.parametrize(
    "seed", [-1, 2**32, 1.0, "1", None, True, np.int64(3)], ids=lambda seed: f"{seed!r}"
)
def test_a_seed_that_is_no_32_bit_integer_is_an_error_that_shows_it(seed):
    with pytest.raises(ValueError, match="expected an integer in") as error:
        KerasSeeds(seed)
    assert f"seed={seed!r}" in str(error.value)


def test_the_numpy_generator_is_the_one_that_set_random_seed_leaves():
    keras.utils.set_random_seed(77)
    np.testing.assert_array_equal(np.random.random(10), KerasSeeds(77).numpy.random_sample(10))
