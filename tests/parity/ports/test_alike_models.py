"""Models that are layers of one network share a class if they do the same, but for numbers."""

import re

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row
from written import fed, outputs, source_of, written

BAR = 1e-12


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def mlp(width, out, activation="relu", rate=0.1):
    return keras.Sequential([L.Dense(width, activation=activation), L.Dropout(rate), L.Dense(out)])


def chain(*models):
    """The models one after the other, each with a sum beside it."""
    x = inputs = L.Input((6,))
    for model in models:
        x = L.Concatenate()([model(x), x])
    return keras.Model(inputs, x)


def classes_in(source):
    return re.findall(r"class (\w+)\(nn.Module\)", source)


def differs_by(model, folder):
    module, program, _ = written(model, folder)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(3, *each.shape[1:])) for each in model.inputs]
    theirs = np.asarray(model(x if len(x) > 1 else x[0]))
    (ours,) = outputs(module.eval()(*fed(program, x)), program)
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def test_numbers_that_differ_are_arguments(tmp_path):
    model = chain(mlp(4, 5), mlp(8, 3))
    _, source = source_of(model)
    assert classes_in(source) == ["Mlp", "Net"]
    assert "def __init__(self, in_features: int, out_features: int, dense2_out_features: int)" in (
        re.sub(r"\s+", " ", source).replace("( ", "(").replace(" )", ")")
    )
    assert "Mlp(6, 4, 5)" in source
    assert "Mlp(11, 8, 3)" in source
    assert differs_by(model, tmp_path) <= BAR


@each_row(
    "other",
    [
        lambda: mlp(4, 5, activation="tanh"),
        lambda: keras.Sequential([L.Dense(4, activation="relu"), L.Dense(5), L.Dropout(0.1)]),
        lambda: keras.Sequential([*mlp(4, 5).layers, L.ReLU()]),
    ],
    ids=["activation", "order", "longer"],
)
def test_models_that_do_something_else_have_a_class_each(other, tmp_path):
    """Weights would fit: only the values, or the source, tell."""
    model = chain(mlp(4, 5), other())
    assert len(classes_in(source_of(model)[1])) == 3
    assert differs_by(model, tmp_path) <= BAR


def test_models_whose_outputs_are_swapped_have_a_class_each(tmp_path):
    def heads(is_swapped):
        x = inputs = L.Input((6,))
        ends = [L.Dense(6)(x), L.Dense(6, activation="relu")(x)]
        return keras.Model(inputs, ends[::-1] if is_swapped else ends)

    inputs = L.Input((6,))
    (a, b), (c, d) = heads(False)(inputs), heads(True)(inputs)
    model = keras.Model(inputs, L.Concatenate()([a, 2 * b, 3 * c, 4 * d]))
    assert len(classes_in(source_of(model)[1])) == 3
    assert differs_by(model, tmp_path) <= BAR


def test_more_arguments_than_a_reader_follows_make_no_class(tmp_path):
    def deep(*widths):
        return keras.Sequential([L.Dense(width, activation="relu") for width in widths])

    model = chain(deep(2, 3, 4, 5, 6), deep(3, 5, 7, 2, 8))
    assert len(classes_in(source_of(model)[1])) == 3
    assert differs_by(model, tmp_path) <= BAR


def test_a_model_that_is_called_twice_keeps_its_class_and_its_one_module(tmp_path):
    shared = mlp(4, 6)
    inputs = [L.Input((6,)), L.Input((6,))]
    x, y = map(shared, inputs)
    model = keras.Model(inputs, L.Concatenate()([x, mlp(4, 6)(y)]))
    _, source = source_of(model)
    assert len(classes_in(source)) == 3
    assert len(re.findall(r"self\.sequential\w* = ", source)) == 2
    assert differs_by(model, tmp_path) <= BAR


def test_models_in_models_share_a_class(tmp_path):
    def outer(width):
        x = inputs = L.Input((6,))
        for _ in range(2):
            x = L.Add()([x, mlp(width, 6)(L.LayerNormalization()(x))])
        return keras.Model(inputs, x)

    x = inputs = L.Input((6,))
    model = keras.Model(inputs, L.Add()([outer(4)(x), outer(4)(x)]))
    _, source = source_of(model)
    assert "self.blocks" not in source.rpartition("class ")[2]
    assert len(classes_in(source)) == 3
    assert differs_by(model, tmp_path) <= BAR


class Mixing(L.Layer):
    """Its norm is called twice, and its perceptrons are models."""

    def __init__(self, width):
        super().__init__()
        self.norm = L.LayerNormalization()
        self.rows, self.columns = mlp(width, 4), mlp(width, 6)

    def call(self, x):
        y = keras.ops.transpose(self.norm(x), (0, 2, 1))
        x = x + keras.ops.transpose(self.rows(y), (0, 2, 1))
        return x + self.columns(self.norm(x))


def mixer(again=False):
    """What the layers call, written out, with Keras's names of attributes."""
    x = inputs = L.Input((4, 6))
    for number in range(3):
        layer = Mixing(5)
        for name in ("norm", "rows", "columns"):
            getattr(layer, name).name = f"mixing{number}_{name}"
        x = layer.call(x)
    return keras.Model(inputs, L.Flatten()(layer.norm(x) if again else x))


def test_a_block_has_models_and_calls_a_module_twice(tmp_path):
    _, source = source_of(mixer())
    assert classes_in(source) == ["Mlp", "Mixing", "Net"]
    body = source.partition("class Mixing(")[2].partition("class Net")[0]
    assert body.count("self.norm = ") == 1
    assert body.count("self.norm(") == 2
    assert differs_by(mixer(), tmp_path) <= BAR


def test_a_module_that_is_called_outside_belongs_to_no_block(tmp_path):
    _, source = source_of(mixer(again=True))
    assert "self.mixing2_norm" in source.partition("class Net")[2]
    assert differs_by(mixer(again=True), tmp_path) <= BAR
