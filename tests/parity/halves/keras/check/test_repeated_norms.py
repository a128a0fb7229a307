"""Statistics of each batch of a normalisation that is called several times in a pass."""

import keras
import numpy as np
from keras import layers as L

from parity.halves.keras.check.forward_backward import noted_moments, write_repeated
from parity.traces.trace import TraceWriter

X = np.random.default_rng(0).normal(size=(4, 3, 2))


def written(model, x, *, training=True):
    writer = TraceWriter()
    with noted_moments() as found:
        model(x, training=training)
    write_repeated(model, found, writer)
    return writer.arrays


def clip():
    x = L.Input((3, 2))
    return keras.Model(x, L.TimeDistributed(L.BatchNormalization(name="norm"))(x))


def test_each_step_is_told_with_its_own_mean_and_variance():
    found = written(clip(), X)
    mean, variance = (
        next(array for name, array in found.items() if name.endswith(end))
        for end in ("moving_mean", "moving_variance")
    )
    assert all(name.startswith("batches/") for name in found)
    np.testing.assert_allclose(mean, X.mean(0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(variance, X.var(0), rtol=0, atol=1e-6)


def test_one_batch_and_eval_mode_tell_nothing():
    x = L.Input((3, 2))
    assert written(keras.Model(x, L.BatchNormalization()(x)), X) == {}
    assert written(clip(), X, training=False) == {}
