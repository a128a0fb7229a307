"""The settings of an operation are in the source of its call."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from written import fed, outputs, written


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)


def test_the_dtype_of_a_cast_is_a_setting_and_no_policy(tmp_path):
    """It was left out, and the written module could not be called."""
    inputs = L.Input((4,))
    whole = ops.cast(inputs * 3, "int32")
    hot = ops.one_hot(whole, 3, dtype="float64")
    model = keras.Model(inputs, [L.Dense(2)(ops.cast(whole, "float64")), hot])
    module, program, _ = written(model, tmp_path)
    x = np.random.default_rng(0).normal(size=(3, 4))
    for ours, theirs in zip(outputs(module.eval()(*fed(program, [x]))), model(x), strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-12)
