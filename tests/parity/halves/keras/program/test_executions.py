"""Steps with `steps_per_execution` are made one by one, and callbacks do not see it."""

import keras
import numpy as np
import pytest

from keras_impl.reference import Reference
from parity.halves.keras.program.source import one_by_one


class Seen(keras.callbacks.Callback):
    """Notes what it is told, and changes the rate with each call."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_train_batch_begin(self, batch, logs=None):
        self.told.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.told.append(("end", batch))
        self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2

    def on_epoch_end(self, epoch, logs=None):
        self.told.append(("epoch", epoch))


def trained(number, count, change):
    """Weights after a training on `count` batches, what a callback was told, and a model."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), "mse", steps_per_execution=number)
    draw, seen = np.random.default_rng(0), Seen()
    x, y = draw.normal(size=(4 * count, 3)), draw.normal(size=(4 * count, 2))
    change(Reference(model, callbacks=[seen]))
    model.fit(x, y, batch_size=4, epochs=2, callbacks=[seen], verbose=0)
    return model.get_weights(), seen.told, model


@pytest.mark.parametrize(("number", "count"), [(2, 5), (2, 4), (7, 3)])
def test_a_training_is_the_same_and_its_callbacks_hear_of_executions(number, count):
    weights, told, _ = trained(number, count, lambda reference: None)
    found, heard, model = trained(number, count, one_by_one)
    assert model.steps_per_execution == 1
    # Keras counts the last execution as a full one where it does not know the number of batches.
    assert [(what, at) for what, at in heard if what != "end"] == [
        (what, at) for what, at in told if what != "end"
    ]
    assert len(heard) == len(told)
    for a, b in zip(weights, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
