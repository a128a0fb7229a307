"""A model that is built under a strategy of one replica has plain variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.errors import InputError
from parity.halves.keras import kernels


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(tf.distribute.Strategy, "scope", tf.distribute.Strategy.scope)
    kernels.install_one_replica()


@each_row(
    "strategy",
    [
        lambda: tf.distribute.MirroredStrategy(["/cpu:0"]),
        lambda: tf.distribute.experimental.CentralStorageStrategy(["/cpu:0"]),
        tf.distribute.get_strategy,
    ],
)
def test_numbers_of_its_optimizer_can_be_read(strategy):
    with strategy().scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.25), "mse")
    assert float(model.optimizer.learning_rate) == 0.25
    assert not isinstance(model.layers[0].kernel.value, tf.distribute.DistributedValues)
    assert type(model.distribute_strategy) is type(tf.distribute.get_strategy())
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))


def test_several_replicas_are_refused_in_one_line():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    type(strategy.extended)._num_replicas_in_sync = property(lambda _: 2)
    try:
        with pytest.raises(InputError, match="OneDeviceStrategy of 2 replicas; expected") as raised:
            strategy.scope()
    finally:
        type(strategy.extended)._num_replicas_in_sync = property(lambda _: 1)
    assert "\n" not in str(raised.value)
