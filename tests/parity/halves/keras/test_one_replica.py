"""A model that is built under a strategy of one replica has plain variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from one_line import told_in_one_line
from rows import each_row
from small_keras import net

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
        model = net(keras.layers.Dense(1), shape=(2,), optimizer=keras.optimizers.Adam(0.25))
    assert float(model.optimizer.learning_rate) == 0.25
    assert not isinstance(model.layers[0].kernel.value, tf.distribute.DistributedValues)
    assert type(model.distribute_strategy) is type(tf.distribute.get_strategy())
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))


def test_several_replicas_are_refused_in_one_line(monkeypatch):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    monkeypatch.setattr(type(strategy.extended), "_num_replicas_in_sync", property(lambda _: 2))
    with told_in_one_line("OneDeviceStrategy of 2 replicas; expected"):
        strategy.scope()
