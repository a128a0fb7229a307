"""A whole package starts with Keras's weights and seeds, and computes what Keras computes."""

import importlib
import json
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from rows import each_row

import keras_impl
from benchmarks.ported import packages
from benchmarks.ported.packages import BAR, written
from benchmarks.ported.programs import Program
from parity.ports import package, train_text
from torch_impl.keras_config.graph import read_graph
from torch_impl.weights import variable_of

NAMES = (
    *("drawing", "steps", "tied", "built_inside", "states", "scheduled"),
    *("ruled", "arrays", "twice", "subclassed", "coded"),
)
ROUNDED = 1.2e-7  # a weight in the file of a package, rounded to float32


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def compiled(model):
    model.compile("sgd", "mse")
    return model


def drawing():
    """Layers that draw a seed: at random images, in cells, in both directions, in attention."""
    images = L.Input((4, 4, 3))
    x = L.RandomFlip()(images)
    x = L.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = L.Reshape((4, 6))(x)
    x = L.LSTM(3, dropout=0.3, return_sequences=True)(x)
    x = L.Bidirectional(L.GRU(3, recurrent_dropout=0.3, return_sequences=True))(x)
    x = L.MultiHeadAttention(2, 3, dropout=0.3)(x, x)
    x = L.TimeDistributed(L.Dense(2, kernel_initializer="he_normal"))(x)
    return compiled(keras.Model(images, L.Dropout(0.2)(x)))


def steps():
    """Layers that draw for the steps of a sequence, whose channels are last in either framework."""
    inputs = L.Input((5, 4))
    x = L.SpatialDropout1D(0.4)(L.Dense(6)(inputs))
    x = L.GaussianNoise(0.1)(L.GaussianDropout(0.3)(x))
    x = L.Dropout(0.3)(L.AlphaDropout(0.2)(x))
    return compiled(keras.Model(inputs, L.Dense(3)(x)))


class Gated(L.Layer):
    """Code that only calls layers and operations of Keras, and draws in train mode."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.dense, self.gate = L.Dense(units), L.Dense(units, activation="sigmoid")
        self.project = L.Dense(units)
        self.drop = L.Dropout(0.3)

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
    return keras_impl.Reference(compiled(Recurrent()), input_shapes=[(7, 3)])


def coded():
    """Layers and functions of the user's own in a graph."""
    inputs = L.Input((6, 6, 3))
    x = keras.ops.image.extract_patches(inputs, 3)
    x = L.Lambda(lambda x: keras.ops.reshape(x, (-1, 4, 27)))(x)
    x = Gated(5, name="first")(x)
    x = L.TimeDistributed(L.Dense(5))(Gated(5, name="second")(x))
    return compiled(keras.Model(inputs, L.Dense(2)(L.Flatten()(x))))


def tied():
    """A model that is called by itself, and for each step of a sequence."""
    inputs = L.Input((4,))
    shared = keras.Model(inputs, L.Dense(3, activation="tanh")(inputs), name="embedding")
    one, steps = L.Input((4,), name="one"), L.Input((5, 4), name="steps")
    product = L.Dot((2, 1))([L.TimeDistributed(shared)(steps), shared(one)])
    return compiled(keras.Model([one, steps], product))


def built_inside():
    """A Sequential that has no weights before it is in another layer."""
    inner = keras.Sequential([L.Dense(3, activation="relu"), L.Dense(2)], name="inner")
    steps = L.Input((5, 4))
    return compiled(keras.Model(steps, L.TimeDistributed(inner)(steps)))


def arrays():
    """Arrays that are added to a sequence and to an image, in a model of its own, too."""
    draw = np.random.default_rng(5)
    steps = L.Input((5, 4))
    scaled = keras.Model(steps, steps * draw.normal(size=(5, 1)), name="scaled")
    images = L.Input((3, 2, 4), name="images")
    x = L.Conv2D(4, 1)(images) + draw.normal(size=(1, 3, 1, 4))
    x = L.Reshape((6, 4))(x)[:, 1:]
    return compiled(keras.Model(images, L.Dense(2)(scaled(x))))


def twice():
    """A model that draws, called for two outputs, of which the second one is farther away."""
    inputs = L.Input((4,))
    x = L.Dropout(0.4)(L.Dense(6)(inputs))
    shared = keras.Model(inputs, L.Dense(3)(L.BatchNormalization()(x)), name="shared")
    one, other = L.Input((4,), name="one"), L.Input((4,), name="other")
    near = L.Activation("linear", name="near")(shared(one))
    far = L.Softmax(name="far")(shared(other) / 3.0)
    return keras.Model([one, other], [near, far])


def states():
    """Of several outputs, one is needed."""
    steps = L.Input((5, 4))
    _, hidden, _ = L.LSTM(3, return_state=True)(steps)
    return compiled(keras.Model(steps, L.Dense(2)(hidden)))


def scheduled():
    """A schedule with lists of numbers, and an optimizer with an option of all optimizers."""
    inputs = L.Input((4,))
    model = keras.Model(inputs, L.Dense(2)(inputs))
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([5, 9], [0.1, 0.05, 0.01])
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
    return model


def ruled():
    """Penalties of weights and outputs, and constraints."""
    inputs = L.Input((6,))
    x = L.Dense(
        8, "relu", kernel_constraint=keras.constraints.MaxNorm(0.7), activity_regularizer="l2"
    )(inputs)
    x = L.BatchNormalization(gamma_regularizer="l2", beta_constraint="non_neg")(x)
    x = L.ActivityRegularization(0.01)(x)
    return compiled(keras.Model(inputs, L.Dense(3)(x)))


def rare():
    """Arguments of `fit` that no port has."""
    x = np.ones((8, 6))
    return keras_impl.Reference(ruled(), x=x, y=np.ones((8, 3)), validation_freq=2, epochs=3)


def package_of(name, folder):
    return written(Program(name, f"{__file__}:{name}"), folder, memory=1.0)


# Program -> what its model.py has, and what it has not.
IN_MODEL = {
    "states": (["_, x, _ = self.lstm(x)"], []),  # nothing is named that nothing needs
    "steps": (["channels_last=True"], ["movedim"]),
    "subclassed": (
        ["self.memory = layers.LSTM(4, 6, return_sequences=True)"],
        ["NotImplementedError"],
    ),
    "tied": (["Embedding()"], []),
    "drawing": (["PyTorch; images have channels first."], []),
}
COUNTS = {"channels_last=True": 5, "Embedding()": 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_package_draws_and_computes_what_keras_does(name, tmp_path):
    found = package_of(name, tmp_path)
    assert not found.problem
    assert found.initial <= ROUNDED
    assert found.differences.keys() == {"eval", "train"}
    assert all(each.is_equal for each in found.differences.values())
    source = (tmp_path / f"port_of_{name}" / "model.py").read_text(encoding="utf-8")
    texts, missing = IN_MODEL.get(name, ([], []))
    assert all(source.count(text) == COUNTS.get(text, 1) for text in texts)
    assert not any(text in source for text in missing)
    if name == "scheduled":
        train = (tmp_path / f"port_of_{name}" / "train.py").read_text(encoding="utf-8")
        assert "clipnorm=1.0" in train
        assert "values=(0.1, 0.05, 0.01)" in train


def test_arguments_of_fit_that_change_a_training_are_told(tmp_path):
    told = "validation_freq=2 of `fit`"
    assert told in package_of("rare", tmp_path).left_out
    assert told in (tmp_path / "port_of_rare" / "README.md").read_text(encoding="utf-8")
    assert not package_of("ruled", tmp_path).left_out


@each_row("is_told", [True, False])
def test_the_readme_says_once_which_rows_train_otherwise(is_told, tmp_path, monkeypatch):
    """The facts are those of the check; `test_occurrences` has when a model has such rows."""
    right = packages.write_package
    entry = {"what": "training of table.embeddings by repeated rows", "why": "", "arrays": []}
    told = {"not_compared": [entry] if is_told else []}
    monkeypatch.setattr(
        packages, "write_package", lambda facts, *given: right({**facts, **told}, *given)
    )
    package_of("states", tmp_path)
    text = (tmp_path / "port_of_states" / "README.md").read_text(encoding="utf-8")
    assert text.count("the training of table.embeddings where a row of") == int(is_told)
    assert ("## What cannot be Keras's" in text) is is_told


def test_a_part_of_the_path_of_a_weight_is_not_imported():
    body = 'draw_initial(model, [("net.layers.0.kernel", initializers.Zeros())])'
    assert "initializers" in train_text._imports(body)
    assert "layers" not in train_text._imports(body)


def test_code_for_which_no_source_is_written_is_a_stub(tmp_path, monkeypatch):
    """As with an operation that the twin lacks."""
    monkeypatch.setattr(package, "program_of", _failing_once(package.program_of))
    found = package_of("subclassed", tmp_path)
    assert "Gated.forward is to be written" in found.problem
    assert "Recurrent.forward is to be written" in found.problem


def _failing_once(function):
    calls = []

    def fails(*given):
        calls.append(given)
        if len(calls) == 1:
            raise TypeError("an operation that is not known")
        return function(*given)

    return fails


def test_the_loss_and_a_step_have_the_rules_of_the_layers(tmp_path, monkeypatch):
    found = package_of("ruled", tmp_path)
    assert found.left_out == ()
    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module("port_of_ruled.train")
    with default_dtype(torch.float64):
        port = train.build()
    train.load_weights(port.module.train())

    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    model = ruled()
    for weight in model.weights:
        variable = variable_of(port.module, weight.path.replace("/", ".", 1))
        weight.assign(variable.to_keras(variable.tensors).detach().numpy())
    draw = np.random.default_rng(3)
    x, y = draw.normal(size=(8, 6)), draw.normal(size=(8, 3))
    expected = model.train_on_batch(x, y)
    loss = port.loss(port.module(torch.as_tensor(x)), torch.as_tensor(y))
    loss.backward()
    port.optimizer.step()
    assert loss.item() == pytest.approx(float(expected), rel=BAR)
    for weight in model.weights:
        variable = variable_of(port.module, weight.path.replace("/", ".", 1))
        ours = variable.to_keras(variable.tensors).detach().numpy()
        assert np.abs(ours - np.asarray(weight)).max() <= BAR, weight.path


def halved(x):
    return x / 2


def with_code():
    """A function of the program, which --plain cannot write."""
    inputs = L.Input((4,))
    return compiled(keras.Model(inputs, L.Dense(2)(L.Activation(halved, name="half")(inputs))))


def test_code_of_the_program_is_possible_only_without_plain(tmp_path):
    program = Program("with_code", f"{__file__}:with_code")
    told = r"'halved' is code of the program, which is possible only without --plain"
    with pytest.raises(ValueError, match=told):
        packages.package_of(program, tmp_path, plain=True)


@each_row("make", [twice, tied, drawing, arrays, states])
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
