"""Weights get into the layers that have their names, wherever Keras 3 sorts a layer to."""

import h5py
import keras
import numpy as np
import pytest
from paths import SUPPORT
from rows import each_row

from parity.halves.keras.program.saved_model import has_operations, model_in_old_order, renewed_file

FOLDER = SUPPORT / "keras_2"
SHORT = {"mse": keras.losses.get("mse")}  # by this name Keras 2 writes it
# The state of an optimizer of Keras 2 is not that of Keras 3.
pytestmark = pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")


def weights_in(name):
    """Kernels and the like by layer, as Keras 2 has written them."""
    with h5py.File(FOLDER / name) as file:
        layers = file["model_weights"]
        return {
            layer: [np.array(layers[layer][each]) for each in layers[layer].attrs["weight_names"]]
            for layer in layers.attrs["layer_names"]
            if len(layers[layer].attrs["weight_names"])
        }


@pytest.fixture(params=["self_attention.h5", "self_attention.keras"])
def renewed(request, tmp_path):
    """A file of which Keras 3 sorts the queries behind the keys, which it has to transpose."""
    return renewed_file(FOLDER / request.param, tmp_path)


def test_weights_are_those_of_the_layer_with_their_name(renewed):
    model = model_in_old_order(renewed, SHORT)
    expected = weights_in("self_attention.h5")
    assert set(expected) == {layer.name for layer in model.layers if layer.weights}
    for name, arrays in expected.items():
        for ours, theirs in zip(model.get_layer(name).get_weights(), arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_model_in_a_model_has_its_own_order(tmp_path):
    model = model_in_old_order(renewed_file(FOLDER / "inside.h5", tmp_path), SHORT)
    found = {w.path.removeprefix("inner/"): w.numpy() for w in model.get_layer("inner").weights}
    with h5py.File(FOLDER / "inside.h5") as file:
        group = file["model_weights"]["inner"]
        expected = {
            name.removesuffix(":0"): np.array(group[name]) for name in group.attrs["weight_names"]
        }
    assert set(found) == set(expected)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


@each_row(
    "config, expected",
    [
        ({"layers": [{"module": "keras.src.ops.numpy", "class_name": "Add"}]}, True),
        ({"layers": [{"module": "keras.layers", "class_name": "Add"}]}, False),
        ({"layers": [[{"config": {"layers": [{"module": "keras.src.ops.nn"}]}}]]}, True),
        *((each, False) for each in (None, 3, "keras.src.ops.nn", [], {"module": 3})),
    ],
)
def test_operations_are_found_in_a_configuration_of_any_form(config, expected):
    assert has_operations(config) is expected
