"""Code that only calls layers and operations of Keras is written out; other code stays whole."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops
from own_classes import own_class
from rows import each_row
from small_keras import graph, net

from parity.halves.keras import versions
from parity.halves.keras.casts import initializers_noted
from parity.halves.keras.check.inlined import inlined
from parity.halves.keras.check.symbolic import EachSample, in_graph, is_custom

X = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


class Block(L.Layer):
    """Only calls layers and operations, and tells its layers the mode."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.dense = L.Dense(units)
        self.parts = [L.Dense(units, activation="relu"), L.Dropout(0.5)]

    def call(self, x, training=None):
        y = self.parts[1](self.parts[0](x), training=training)
        return ops.tanh(self.dense(y)) + x * 2


def graph_of(layer, shape=(6,), **options):
    """A functional model around a layer, and what is written out of it."""
    model = graph(lambda x: L.Dense(2, name="end")(layer(x)), shape, **options)
    return model, inlined(model, None)


def own_of(graph):
    return [layer for layer in in_graph(graph) if is_custom(layer)]


def assert_written_out(found, model, x=X, rounding=0.0):
    """A graph has no layer of one's own, and the outputs of the model."""
    assert own_of(found.model) == []
    np.testing.assert_allclose(found.model(x), model(x), rtol=rounding)


def test_a_layer_is_replaced_by_what_its_code_calls():
    before = versions.Layer.__call__, keras.Variable.value
    model, found = graph_of(Block(6, name="block"))
    assert_written_out(found, model)
    names = {layer.name for layer in found.model.layers}
    assert {"block_dense", "block_parts_0", "block_parts_1"} <= names
    found.restore()
    assert not any(layer.name.startswith("block_") for layer in model._flatten_layers())
    assert (versions.Layer.__call__, keras.Variable.value) == before


def test_a_layer_in_a_sequential_is_written_out_and_in_one_without_an_input_it_stays():
    model = keras.Sequential([L.Input((6,)), Block(6), L.Dense(2)])
    assert_written_out(inlined(model, None), model)
    assert inlined(keras.Sequential([Block(6), L.Dense(2)]), None) is None
    assert graph_of(L.Dense(3))[1] is None  # without code of one's own


# Calls a model with a layer of ones own, and one without.
Nested = own_class(
    lambda self, x, training=None: self.plain(self.net(x, training=training)),
    net=lambda: keras.Sequential([L.Dense(6, name="first"), Block(6, name="block")], name="net"),
    plain=lambda: keras.Sequential([L.Dense(6, name="first"), L.Dense(6)]),
)


def test_a_model_inside_that_has_a_layer_of_ones_own_is_replaced_by_its_layers():
    outer = keras.Sequential([L.Dense(6, name="first"), Block(6, name="other")], name="outer")
    layer = Nested(name="nested")
    model = graph(lambda x: outer(layer(x)), (6,))
    found = inlined(model, None)
    assert_written_out(found, model, rounding=1e-6)
    names = {each.name for each in found.model.layers}
    assert {"first", "first_2", "block_dense", "other_dense", "nested_plain"} <= names
    assert not {"net", "nested_net", "outer"} & names
    kernel = layer.net.layers[0].kernel
    held = next(x for x in found.model.layers if any(v is kernel for v in x.weights))
    assert found.paths()[id(kernel)] == f"{held.name}/kernel"
    found.restore()
    names = [[each.name for each in holder.layers] for holder in (layer.net, outer)]
    assert names == [["first", "block"], ["first", "other"]]


class Scaled(L.Layer):
    """Has weights of its own, one of them in a list and one that does not train."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
        self.more = [
            self.add_weight(shape=(), initializer="zeros", trainable=False),
            self.add_weight(shape=(shape[-1],), initializer="he_normal", regularizer="l2"),
        ]

    def call(self, x):
        return x * self.scale + self.more[0] * self.more[1]


class Token(L.Layer):
    """Puts weights before and behind the steps of every sample."""

    def build(self, shape):
        self.first = self.add_weight(shape=(1, 1, shape[-1]), initializer="he_normal")
        self.last = self.add_weight(shape=(2, shape[-1]), initializer="he_normal")

    def call(self, x):
        size, _, width = ops.shape(x)
        first = ops.broadcast_to(self.first, (size, 1, width))
        last = ops.tile(self.last, (size, 1, 1))
        again = ops.repeat(self.first, size, axis=0)
        both = ops.broadcast_to(self.last, (size, 2, width))
        return ops.concatenate([first, x, last, again, both], axis=1)


def test_a_weight_for_each_sample_has_the_size_of_the_batch():
    with initializers_noted():
        model, found = graph_of(Token(name="token"), (3, 6))
    assert sum(isinstance(x, EachSample) for x in found.model.operations) == 4
    for size in (1, 5):
        x = np.random.default_rng(size).normal(size=(size, 3, 6)).astype("float32")
        assert_written_out(found, model, x)


class Holding(L.Layer):
    """Holds a layer, one that draws, and numbers."""

    seed = (3,)

    def __init__(self, **options):
        super().__init__(**options)
        self.dense, self.other = L.Dense(6), L.Dense(6)
        self.other.build((6, 6))
        self.scale, self.more = 1.0, [1.0, 0.0]
        self.drawing = kept(
            lambda self, x: x + keras.random.normal((6,), seed=self.generator),
            generator=keras.random.SeedGenerator(1),
        )()


def kept(call, base=L.Layer, **more):
    """A class of the user's own with this call."""
    return type("Kept", (base,), {"call": call, **more})


def weighted(**options):
    """Builds a weight of its own."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(6,), **options)
        self.more = [1.0, 0.0]

    return build


def shared(self, shape):
    self.inner = L.Dense(6)
    self.inner.build(shape)
    self.scale = self.inner.bias


# What no graph can have, by what it does.
KEPT = {
    "begins with numbers that no config has": kept(
        Scaled.call, build=weighted(initializer=lambda shape, dtype: ops.ones(shape))
    ),
    "whole numbers": kept(
        lambda self, x: x * ops.cast(self.scale, "float32"),
        build=weighted(initializer="ones", dtype="int32"),
    ),
    "sets a weight": kept(
        lambda self, x: (self.more[0].assign(1.0), Scaled.call(self, x))[1], Scaled
    ),
    "weight of a layer in it": kept(lambda self, x: self.inner(x) * self.scale, build=shared),
    "another weight in train mode": kept(
        lambda self, x, training=None: x * (self.scale if training else self.more[1]), Scaled
    ),
    "another mode": kept(lambda self, x, training=None: x * 2 if training else x),
    "draws": kept(lambda self, x: x + keras.random.normal((6,), seed=self.seed[0]), Holding),
    "draws from the process": kept(
        lambda self, x: x + np.random.default_rng().normal(size=6).astype("float32")
    ),
    "numbers of a weight of a layer": kept(
        lambda self, x: ops.matmul(self.dense(x), ops.transpose(self.dense.kernel)), Holding
    ),
    "a weight of a layer": kept(
        lambda self, x: ops.matmul(self.dense(x), self.dense.kernel), Holding
    ),
    "a layer on a weight": kept(
        lambda self, x: self.dense(x) + ops.matmul(x, self.other(self.dense.kernel)), Holding
    ),
    "sets a weight of a layer": kept(
        lambda self, x: (
            self.dense.built and self.dense.kernel.assign(self.dense.kernel * 0.5),
            self.dense(x),
        )[1],
        Holding,
    ),
    "adds to the loss": kept(lambda self, x: (self.add_loss(ops.sum(x)), x)[1]),
    "a layer that draws, on numbers": kept(lambda self, x: x + self.drawing(ops.ones(6)), Holding),
    "needs numbers": kept(
        lambda self, x: x if ops.is_tensor(x) else x * float(ops.convert_to_numpy(x).mean()),
        compute_output_shape=lambda self, shape: shape,
    ),
}


@each_row("does", KEPT)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_code_that_does_more_stays_whole_and_its_neighbour_is_written_out(does):
    layer = KEPT[does](name="kept")
    with initializers_noted():
        model = graph(lambda x: Block(6)(layer(x)), (6,))
    before = [v.numpy() for v in model.variables if versions.is_weight(v)]
    found = inlined(model, None)
    assert own_of(found.model) == [layer]
    assert {id(v) for v in model.variables} == {id(v) for v in found.model.variables}
    found.restore()
    np.testing.assert_equal(
        [v.numpy() for v in filter(versions.is_weight, model.variables)], before
    )


@each_row("name", ["mean", "end"])
def test_an_operation_may_have_the_name_of_a_layer(name):
    """Keras counts its own names alone, and refuses a graph that has one twice."""
    keras.backend.clear_session()
    centred = L.Lambda(lambda x: x - ops.mean(x, axis=1, keepdims=True))
    model = net(centred, L.Dense(2, name=name), shape=(6,))
    found = inlined(model, None)
    assert [layer.name for layer in in_graph(found.model)].count(name) == 1
    assert_written_out(found, model)
