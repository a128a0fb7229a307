"""Inputs have names and an order, and a model is fed in its own structure."""

import inputs_keras
import keras
import numpy as np
import pytest
from rows import each_row

from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.structure import as_fed, in_input_structure, in_order, slots_of
from parity.halves.keras.factories import call_factory


def reference_of(factory):
    versions.use_dtype("float64")
    return call_factory(factory, 0)


@each_row(
    "factory, structure, names",
    [
        ("columns", 0, ["table"]),
        ("text_and_numbers", [0, 1], ["text", "numbers"]),
        ("dictionary", {"age": 0, "user": 1}, ["age", "user"]),
        ("lists", {"left": [0, 1], "right": 2}, ["left/0", "left/1", "right"]),
        ("subclassed", {"age": 0, "user": 1}, ["age", "user"]),
    ],
)
def test_inputs_are_in_keras_order_with_their_names(factory, structure, names):
    reference = reference_of(getattr(inputs_keras, factory))
    found, slots = slots_of(reference)
    assert found == structure
    assert [slot.name for slot in slots] == names
    if factory != "subclassed":  # as Keras itself sorts them
        shapes = [tuple(tensor.shape[1:]) for tensor in reference.model.inputs]
        assert [slot.shape for slot in slots] == shapes


def test_a_model_gets_what_it_takes():
    reference = reference_of(inputs_keras.lists)
    arrays = [np.full((2, size), size, float) for size in (3, 4, 5)]
    fed = as_fed(reference, arrays)
    assert fed["left"][1].shape == (2, 4)
    output = reference.model(fed, training=False)
    same = reference.model({"left": arrays[:2], "right": arrays[2]}, training=False)
    np.testing.assert_array_equal(output, same)


@each_row("factory", ["dictionary", "subclassed"])
def test_what_fit_gets_by_name_is_put_in_order_and_back(factory):
    reference = reference_of(getattr(inputs_keras, factory))
    x = {"user": np.zeros(3), "age": np.ones((3, 4))}
    ordered = in_order(reference, x)
    assert [array.shape for array in ordered] == [(3, 4), (3,)]
    assert list(in_input_structure(reference, ordered)) == ["age", "user"]
    with pytest.raises(InputError, match="x has the names user; expected age too, as the inputs"):
        in_order(reference, {"user": x["user"]})


def test_the_key_of_a_dictionary_comes_before_the_name_of_its_tensor():
    def build():
        given = {"b": keras.Input((2,), name="first"), "a": keras.Input((3,), name="second")}
        with pytest.warns(UserWarning, match="all keys in the dict must match the names"):
            return inputs_keras.compiled(given, keras.layers.Concatenate()(list(given.values())))

    reference = reference_of(build)
    assert [(slot.name, slot.shape) for slot in slots_of(reference)[1]] == [
        ("a", (3,)),
        ("b", (2,)),
    ]
    ordered = in_order(reference, {"a": np.zeros((5, 3)), "b": np.ones((5, 2))})
    assert [array.shape for array in ordered] == [(5, 3), (5, 2)]


def test_an_input_without_a_name_has_that_of_its_layer():
    """Keras numbers its tensors through the whole process: a file could not name them."""

    def build():
        inputs = [keras.Input((2,)), keras.Input((3,))]
        return inputs_keras.compiled(inputs, keras.layers.Concatenate()(inputs))

    for _ in range(2):
        slots = slots_of(reference_of(build))[1]
        assert [slot.name for slot in slots] == ["input_layer", "input_layer_1"]
