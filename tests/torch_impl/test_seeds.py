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

LENGTHS = (1, 2, 3, 31, 100, 1000)
WITH_ALL_LENGTHS = (42, 2**31 - 1)


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
@pytest.mark.parametrize(
    ("seed", "lengths"),
    [(seed, LENGTHS if seed in WITH_ALL_LENGTHS else (2, 100)) for seed in SEEDS + UNSEEN_SEEDS],
    ids=lambda value: value if isinstance(value, int) else f"{len(value)}_lengths",
)
def test_fit_feeds_the_samples_in_the_order_of_fit_order_in_every_epoch(seed, lengths):
    for length in lengths:
        keras.utils.set_random_seed(seed)
        x = np.zeros((length, 1), np.float32)
        fed = fed_by_keras({"x": x, "y": np.arange(length)}, epochs=3, batch_size=256)
        labels = np.concatenate([y for _, y in fed]).reshape(3, length)
        order = KerasSeeds(seed).fit_order(length).numpy()
        np.testing.assert_array_equal(labels, np.stack([order] * 3), err_msg=f"n={length}")


def test_fit_order_does_not_depend_on_what_was_drawn_before_fit():
    keras.utils.set_random_seed(42)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model(np.ones((2, 4), np.float32))
    tf.random.uniform((5,))
    np.random.random(3)
    fed = fed_by_keras({"x": np.zeros((40, 1)), "y": np.arange(40)}, epochs=1, batch_size=7)
    order = KerasSeeds(42).fit_order(40).numpy()
    np.testing.assert_array_equal(np.concatenate([y for _, y in fed]), order)


@one_test
@pytest.mark.parametrize("length", LENGTHS)
def test_fit_order_is_a_permutation_of_int64(length):
    order = KerasSeeds(5).fit_order(length)
    assert order.dtype == torch.int64
    assert order.sort().values.tolist() == list(range(length))


def test_fit_order_is_a_function_of_the_seed_and_advances_nothing():
    seeds = KerasSeeds(9)
    first = seeds.fit_order(50)
    seeds.next_layer_seed()
    assert torch.equal(seeds.fit_order(50), first)
    assert seeds.numpy.random_sample() == np.random.RandomState(9).random_sample()


@one_test
@pytest.mark.parametrize(
    "seed", [-1, 2**32, 1.0, "1", None, True, np.int64(3)], ids=lambda seed: f"{seed!r}"
)
def test_a_seed_that_is_no_32_bit_integer_is_an_error_that_shows_it(seed):
    with pytest.raises(ValueError, match="expected an integer in") as error:
        KerasSeeds(seed)
    assert f"seed={seed!r}" in str(error.value)


def test_the_same_seed_repeats_and_another_differs():
    def draws(seed):
        seeds = KerasSeeds(seed)
        return (
            [seeds.next_layer_seed() for _ in range(5)],
            seeds.numpy.random_sample(5).tolist(),
            seeds.fit_order(100).tolist(),
        )

    assert draws(3) == draws(3)
    for ours, others in zip(draws(3), draws(4), strict=True):
        assert ours != others


def test_the_numpy_generator_is_the_one_that_set_random_seed_leaves():
    keras.utils.set_random_seed(77)
    np.testing.assert_array_equal(np.random.random(10), KerasSeeds(77).numpy.random_sample(10))
