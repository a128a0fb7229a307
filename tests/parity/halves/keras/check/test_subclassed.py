"""A subclassed model is called once in a graph, with inputs of its own kinds."""

import keras
import numpy as np
import pytest
from keras import layers as L
from own_classes import own_class

from keras_impl import Input, Reference
from parity.errors import InputError
from parity.halves.keras.check.inlined import as_graph


def rated(self, inputs):
    """Takes a dictionary of a token and numbers, and returns two tensors."""
    x = self.table(inputs["item"]) + self.dense(inputs["numbers"])
    return x, -x


Rated = own_class(rated, keras.Model, table=lambda: L.Embedding(7, 4), dense=lambda: L.Dense(4))
Single = own_class(lambda self, x: self.dense(x), keras.Model, dense=lambda: L.Dense(2))


def test_inputs_have_the_structure_and_the_dtypes_of_the_model():
    model = Rated()
    given = {"item": Input((), dtype="int32"), "numbers": Input((3,))}
    graph = as_graph(Reference(model, inputs=given), 4)
    assert {each.name: each.dtype for each in graph.inputs} == {
        "item": "int32",
        "numbers": "float32",
    }
    assert [tuple(each.shape) for each in graph.outputs] == [(None, 4), (None, 4)]
    assert graph.layers[-1] is model
    fed = {"item": np.array([1, 2]), "numbers": np.ones((2, 3), "float32")}
    for ours, theirs in zip(graph(fed), model(fed), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_arrays_of_fit_or_of_a_call_tell_the_shape_and_without_any_it_is_an_error():
    x, called = np.ones((8, 5), "float32"), Single()
    called(x)
    for reference in (Reference(Single(), x=x, y=np.ones((8, 2))), Reference(called)):
        assert tuple(as_graph(reference, 4).inputs[0].shape) == (None, 5)
    with pytest.raises(InputError, match="does not know the shape of its input"):
        as_graph(Reference(Single()), 4)


class Fixed(keras.Model):
    """A graph in a class whose arguments tell nothing of it."""

    def __init__(self):
        inputs = keras.Input((3,))
        super().__init__(inputs, L.Dense(2)(inputs))


class Doubled(keras.Model):
    """A graph with a call of its own."""

    def call(self, x):
        return super().call(x) * 2


def test_a_graph_in_a_class_of_ones_own_has_a_config_with_layers():
    model = Fixed()
    graph = as_graph(Reference(model), 4)
    assert [each["class_name"] for each in graph.get_config()["layers"]] == ["InputLayer", "Dense"]
    assert graph.layers[-1] is model.layers[-1]


def test_a_graph_with_a_call_of_its_own_is_not_taken_for_its_graph():
    inputs = keras.Input((3,))
    model = Doubled(inputs, L.Dense(2)(inputs))
    assert as_graph(Reference(model), 4).layers[-1] is model
