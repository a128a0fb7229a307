"""A whole package starts with Keras's weights and seeds, and computes what Keras computes."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row

from benchmarks.ported import packages
from keras_impl import Reference
from parity.ports import package
from torch_impl.keras_config.graph import read_graph

ROUNDED = 1.2e-7  # a weight in the file of a package, rounded to float32
DRAW = np.random.default_rng(5)


def compiled(inputs, outputs):
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    return model


def drawing():
    """Layers that draw a seed: at random images, in cells, in both directions, in attention.

    Others draw for the steps of a sequence, whose channels are last in either framework.
    """
    images = L.Input((4, 4, 3))
    x = L.RandomFlip()(images)
    x = L.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = L.Reshape((4, 6))(x)
    x = L.LSTM(3, dropout=0.3, return_sequences=True)(x)
    x = L.Bidirectional(L.GRU(3, recurrent_dropout=0.3, return_sequences=True))(x)
    x = L.MultiHeadAttention(2, 3, dropout=0.3)(x, x)
    x = L.TimeDistributed(L.Dense(2, kernel_initializer="he_normal"))(x)
    x = L.SpatialDropout1D(0.4)(L.Dense(6)(x))
    x = L.GaussianNoise(0.1)(L.GaussianDropout(0.3)(x))
    x = L.Dropout(0.3)(L.AlphaDropout(0.2)(x))
    return compiled(images, L.Dense(3)(x))


class Gated(L.Layer):
    """Code that only calls layers and operations of Keras, and draws in train mode."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.dense, self.gate = L.Dense(units), L.Dense(units, activation="sigmoid")
        self.project, self.drop = L.Dense(units), L.Dropout(0.3)

    def build(self, shape):
        for layer in (self.dense, self.gate):
            layer.build(shape)
        if shape[-1] != self.units:
            self.project.build(shape)

    def call(self, x, training=None):
        y = self.drop(self.dense(x) * self.gate(x), training=training)
        return y + (x if x.shape[-1] == self.units else self.project(x))


class Recurrent(keras.Model):
    """A model of its own around such layers, an LSTM and a model of layers."""

    def __init__(self):
        super().__init__()
        self.blocks = [Gated(5), Gated(5), Gated(4)]
        self.memory = L.LSTM(6, return_sequences=True)
        self.head = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)])

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(keras.ops.mean(self.memory(x), axis=1))


def subclassed():
    model = Recurrent()
    model.compile("sgd", "mse")
    return Reference(model, input_shapes=[(7, 3)])


def coded():
    """Layers and functions of the user's own in a graph."""
    inputs = L.Input((6, 6, 3))
    x = keras.ops.image.extract_patches(inputs, 3)
    x = L.Lambda(lambda x: keras.ops.reshape(x, (-1, 4, 27)))(x)
    x = Gated(5, name="first")(x)
    x = L.TimeDistributed(L.Dense(5))(Gated(5, name="second")(x))
    return compiled(inputs, L.Dense(2)(L.Flatten()(x)))


def tied():
    """A model that is called by itself and for each step; one that is built there; a state."""
    inputs = L.Input((4,))
    shared = keras.Model(inputs, L.Dense(3, activation="tanh")(inputs), name="embedding")
    one, steps = L.Input((4,), name="one"), L.Input((5, 4), name="steps")
    product = L.Dot((2, 1))([L.TimeDistributed(shared)(steps), shared(one)])
    inner = keras.Sequential([L.Dense(3, activation="relu"), L.Dense(2)], name="inner")
    _, hidden, _ = L.LSTM(3, return_state=True)(L.TimeDistributed(inner)(steps))
    return compiled([one, steps], L.Concatenate()([product, L.Dense(2)(hidden)]))


def arrays():
    """Arrays that are added to a sequence and to an image, in a model of its own, too."""
    steps = L.Input((5, 4))
    scaled = keras.Model(steps, steps * DRAW.normal(size=(5, 1)), name="scaled")
    images = L.Input((3, 2, 4), name="images")
    x = L.Conv2D(4, 1)(images) + DRAW.normal(size=(1, 3, 1, 4))
    return compiled(images, L.Dense(2)(scaled(L.Reshape((6, 4))(x)[:, 1:])))


def twice():
    """A model that draws, called for two outputs, of which the second one is farther away."""
    inputs = L.Input((4,))
    x = L.Dropout(0.4)(L.Dense(6)(inputs))
    shared = keras.Model(inputs, L.Dense(3)(L.BatchNormalization()(x)), name="shared")
    one, other = L.Input((4,), name="one"), L.Input((4,), name="other")
    near = L.Activation("linear", name="near")(shared(one))
    return keras.Model([one, other], [near, L.Softmax(name="far")(shared(other) / 3.0)])


def ruled():
    """Penalties of weights and outputs, and constraints; the rate has lists of numbers."""
    inputs = L.Input((6,))
    x = L.Dense(
        8, "relu", kernel_constraint=keras.constraints.MaxNorm(0.7), activity_regularizer="l2"
    )(inputs)
    x = L.BatchNormalization(gamma_regularizer="l2", beta_constraint="non_neg")(x)
    x = L.ActivityRegularization(0.01)(x)
    model = keras.Model(inputs, L.Dense(3)(x))
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([5, 9], [0.1, 0.05, 0.01])
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
    return model


def program(build):
    return SimpleNamespace(name=build.__name__, factory=build)


# Program -> how often a text is in its model.py or train.py.
PROGRAMS = {
    drawing: {"PyTorch; images have channels first.": 1, "channels_last=True": 5, "movedim": 1},
    subclassed: {
        "self.memory = layers.LSTM(4, 6, return_sequences=True)": 1,
        "NotImplementedError": 0,
    },
    coded: {"NotImplementedError": 0},
    tied: {"Embedding()": 1, ", _ = self.lstm(": 1},  # nothing is named that nothing needs
    arrays: {},
    twice: {},
    ruled: {"clipnorm=1.0": 1, "values=(0.1, 0.05, 0.01)": 1},
}


@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_a_package_draws_and_computes_what_keras_does(build, tmp_path):
    found = packages.written(program(build), tmp_path, memory=1.0)
    assert (found.problem, found.left_out if build is ruled else ()) == ("", ())
    assert found.initial <= ROUNDED
    assert found.differences.keys() == {"eval", "train"}
    assert all(each.is_equal for each in found.differences.values())
    texts = [(found.folder / name).read_text("utf-8") for name in ("model.py", "train.py")]
    told = PROGRAMS[build]
    assert {text: sum(each.count(text) for each in texts) for text in told} == told


def test_code_for_which_no_source_is_written_is_a_stub(tmp_path, monkeypatch):
    """As with an operation that the twin lacks."""
    right, calls = package.program_of, []

    def failing_once(*given):
        calls.append(given)
        if len(calls) == 1:
            raise TypeError("an operation that is not known")
        return right(*given)

    monkeypatch.setattr(package, "program_of", failing_once)
    told = packages.package_of(program(subclassed), tmp_path)
    for name in ("Gated.forward", "Recurrent.forward"):
        assert any(f"{name} is to be written" in each for each in told["open"])


def halved(x):
    return x / 2


def test_code_of_the_program_is_possible_only_without_plain(tmp_path):
    def with_code():
        inputs = L.Input((4,))
        return compiled(inputs, L.Dense(2)(L.Activation(halved, name="half")(inputs)))

    told = r"'halved' is code of the program, which is possible only without --plain"
    with pytest.raises(ValueError, match=told):
        packages.package_of(program(with_code), tmp_path, plain=True)


@each_row("make", [twice, tied, drawing, arrays])
def test_calls_stand_in_the_order_in_which_keras_makes_them(make):
    model = make()
    theirs = [
        node.operation.name
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
        if not node.is_input
    ]
    graph = read_graph(json.loads(model.to_json())["config"])
    assert [call.layer for call in graph.calls] == theirs
