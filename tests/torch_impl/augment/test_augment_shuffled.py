"""A shuffled dataset has the orders of tf.data, epoch by epoch, from the same seeds."""

import itertools

import keras
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_impl.augment.datasets import epoch_orders

NUM_EPOCHS = 3


def keras_orders(n, buffer_size, seed, global_seed):
    if global_seed is not None:
        keras.utils.set_random_seed(global_seed)
    else:
        tf.random.set_seed(None)
    data = tf.data.Dataset.range(n).shuffle(buffer_size, seed=seed).batch(4).prefetch(2)
    return [[int(v) for batch in data for v in batch] for _ in range(NUM_EPOCHS)]


@given(
    st.integers(1, 70),
    st.integers(1, 80),
    st.sampled_from([0, 1, 7, 42, 999_999, 2**31 - 1, 2**31]),
    st.sampled_from([None, 0, 1, 3, 42, 1337, 2**31 - 1, 2**32 - 1]),
)
@settings(max_examples=15)
def test_the_orders_are_those_of_tf_data(n, buffer_size, seed, global_seed):
    ours = list(itertools.islice(epoch_orders(n, buffer_size, seed, global_seed), NUM_EPOCHS))
    assert ours == keras_orders(n, buffer_size, seed, global_seed)
