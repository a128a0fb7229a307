"""What a port is written of: the config of a model, also of one that no sample has built yet."""

import keras
import numpy as np
import pytest

from keras_impl import Reference
from keras_impl.harness.check.described import described
from parity.programs.check_spec import CheckSpec

L = keras.layers


def sequential(x=None):
    def build():
        model = keras.Sequential([L.Dense(2), L.Dense(1)])
        model.compile("sgd", "mse")
        return Reference(model) if x is None else Reference(model, x=x, y=np.ones(len(x)))

    return build


@pytest.mark.parametrize("shape", [(8, 3), (8, 5, 3)])
def test_a_sequential_without_an_input_is_built_for_the_samples_of_fit(shape):
    _, found, _ = described(sequential(np.ones(shape, "float32")), CheckSpec())
    first = found["model"]["config"]["layers"][0]
    assert first["class_name"] == "InputLayer"
    assert first["config"]["batch_shape"] == [None, *shape[1:]]


def test_without_samples_it_stays_as_it_is():
    _, found, _ = described(sequential(), CheckSpec())
    assert [each["class_name"] for each in found["model"]["config"]["layers"]] == ["Dense", "Dense"]


def test_arguments_of_fit_that_no_port_has_are_told_and_usual_ones_are_not():
    def build():
        return Reference(
            sequential(np.ones((8, 3)))().model, x=np.ones((8, 3)), steps_per_epoch=2, epochs=3
        )

    _, found, _ = described(build, CheckSpec())
    assert found["fit"]["epochs"] == 3
    assert found["fit"]["others"] == {"steps_per_epoch": 2}
