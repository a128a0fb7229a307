"""A shuffled dataset has the orders of tf.data, epoch by epoch, from the same seeds."""

import itertools

import keras
import pytest
import tensorflow as tf
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_impl.augment.shuffled import epoch_orders

NUM_EPOCHS = 3


def keras_orders(n, buffer_size, seed, global_seed):
    if global_seed is not None:
        keras.utils.set_random_seed(global_seed)
    else:
        tf.random.set_seed(None)
    data = tf.data.Dataset.range(n).shuffle(buffer_size, seed=seed).batch(4).prefetch(2)
    return [[int(v) for batch in data for v in batch] for _ in range(NUM_EPOCHS)]


@pytest.mark.long
@given(
    st.integers(1, 70),
    st.integers(1, 80),
    st.sampled_from([0, 1, 7, 42, 999_999, 2**31 - 1, 2**31]),
    st.sampled_from([None, 0, 1, 3, 42, 1337, 2**31 - 1, 2**32 - 1]),
)
@settings(max_examples=60)
def test_the_orders_are_those_of_tf_data(n, buffer_size, seed, global_seed):
    ours = list(itertools.islice(epoch_orders(n, buffer_size, seed, global_seed), NUM_EPOCHS))
    assert ours == keras_orders(n, buffer_size, seed, global_seed)


def test_another_buffer_gives_another_order():
    assert next(epoch_orders(40, 8, 3)) != next(epoch_orders(40, 16, 3))


@one_test
@pytest.mark.parametrize("n", [1, 50])
def test_every_element_comes_once(n):
    assert sorted(next(epoch_orders(n, 16, 5))) == list(range(n))
