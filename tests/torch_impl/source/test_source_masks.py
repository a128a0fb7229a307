"""Masks of sequences are made where they come from, and told to the layers that take them."""

import keras
import numpy as np
import pytest
from keras import layers as L
from written import fed, outputs, source_of, written

from torch_impl.keras_config import NoTwinError
from torch_impl.masks import mask_of

BAR = 1e-12
TOKENS = np.array([[3, 1, 0, 0, 0], [2, 4, 1, 2, 0], [1, 1, 2, 3, 4]])


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def recurrent(return_sequences=False):
    tokens = L.Input((5,), dtype="int32")
    x = L.Embedding(6, 4, mask_zero=True)(tokens)
    x = L.LSTM(3, return_sequences=return_sequences)(x)
    return keras.Model(tokens, L.Dense(2)(x))


def pooled():
    x = inputs = L.Input((5, 2))
    x = L.Masking(0.5)(x)
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x))


def difference(model, x, folder):
    module, program, _ = written(model, folder)
    (ours,) = outputs(module.eval()(*fed(program, [x])))
    return np.abs(ours - np.asarray(model(x))).max()


def test_a_recurrent_layer_is_told_the_mask_of_an_embedding(tmp_path):
    _, source = source_of(recurrent())
    assert "!= 0" in source
    assert "mask=" in source
    assert difference(recurrent(), TOKENS, tmp_path) <= BAR


def test_a_pool_is_told_the_mask_of_a_masking_layer(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    x[:, 3:] = 0.5
    assert difference(pooled(), x, tmp_path) <= BAR


def test_an_output_carries_its_mask_to_the_loss(tmp_path):
    model = recurrent(return_sequences=True)
    module, program, _ = written(model, tmp_path)
    made = module.eval()(*fed(program, [TOKENS]))
    assert np.array_equal(mask_of(made).numpy(), TOKENS != 0)


class GaussianNoise(L.Layer):
    """A class of the user's own with the name of one of Keras's."""

    def call(self, x):
        return x * 2


def test_a_class_of_ones_own_is_not_keras_of_that_name():
    x = L.Input((4,))
    with pytest.raises(NoTwinError, match="of class 'GaussianNoise': expected one of"):
        source_of(keras.Model(x, GaussianNoise()(x)))
