"""What steps of a model's own draw in `fit` is written down step by step, up to a limit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from parity.errors import InputError
from parity.halves.keras.program.training import WatchedSteps
from parity.traces.trace import TraceWriter


class Drawing(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.mean = keras.metrics.Mean(name="seen")

    def call(self, x):
        return self.dense(x)

    def train_step(self, x):
        noise = tf.random.normal(tf.shape(x))
        self.mean.update_state(tf.reduce_mean(noise), sample_weight=2.0)
        return {"seen": self.mean.result(), "noise": tf.reduce_mean(noise)}


def fitted(num_drawn, most_mib=1):
    writer, model = TraceWriter(), Drawing()
    model.compile("sgd")
    told = {"own_training": {"num_drawn": num_drawn, "masks": [], "applied": []}}
    own = WatchedSteps(model, told, writer, "float32", most_mib)
    watching = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: own.after_step(logs)
    )
    x = np.ones((10, 3), "float32")
    history = model.fit(x, batch_size=4, epochs=2, verbose=0, callbacks=[watching]).history
    own.finish()
    return writer, model, history


def test_each_step_has_its_draws_under_its_number():
    writer, model, history = fitted(num_drawn=1)
    assert model.run_eagerly
    keys = sorted(key for key in writer.arrays if key.startswith("draw/"))
    assert keys == [f"draw/train{step}/0/normal" for step in range(1, 7)]
    drawn = [writer.arrays[key] for key in keys]
    assert [each.shape for each in drawn] == [(4, 3), (4, 3), (2, 3)] * 2
    assert len({each.tobytes() for each in drawn}) == 6
    means = [np.mean([each.mean() for each in drawn[n : n + 3]]) for n in (0, 3)]
    np.testing.assert_allclose(history["seen"], means, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(writer.arrays["training/counts/seen"], [2, 4, 6] * 2)
    assert "training/counts/noise" not in writer.arrays


def test_a_step_that_draws_nothing_is_compiled_as_ever():
    writer, model, _ = fitted(num_drawn=0)
    assert not model.run_eagerly
    assert list(writer.arrays) == ["training/counts/seen"]


def test_more_draws_than_the_limit_are_told():
    with pytest.raises(InputError, match=r"drew more than max_feed=0 MiB .* in 1 steps"):
        fitted(num_drawn=1, most_mib=0)
