"""Configurations of Keras 2 and of legacy files give the same twin as those of today."""

import keras
import numpy as np
import pytest
import torch
from conversions import predicted
from keras import layers as L
from keras import ops
from paths import SUPPORT
from rows import each_row

from parity.conversions.named import keys_by_name
from parity.conversions.twin import Twin
from parity.conversions.twin_trace import set_weights
from parity.weights.copied import read_copied
from parity.weights.read import copy_stored

OLD = SUPPORT / "keras_2"  # that Keras 2.15 wrote (benchmarks/old_files/writer.py)


def entry(name, kind, sources, **settings):
    """A layer as Keras 2 writes it, with its calls."""
    calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
    config = {"name": name, "trainable": True, "dtype": "float32", **settings}
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": calls}


def dense(name, source, units, activation="linear"):
    plain = {"activation": activation, "use_bias": True}
    return entry(name, "Dense", [source], units=units, **plain)


def functional(last, *layers):
    inner = {"name": "model", "layers": [*layers], "input_layers": [["a", 0, 0]]}
    ends = {**inner, "output_layers": [[last, 0, 0]]}
    return {"class_name": "Functional", "config": ends}


def sequential(*layers):
    rows = [{"class_name": kind, "config": config} for kind, config in layers]
    return {"class_name": "Sequential", "config": {"name": "net", "layers": rows}}


INPUT = entry("a", "InputLayer", [], batch_input_shape=[None, 3], sparse=False, ragged=False)


def test_a_functional_model_of_keras_2_is_called_to_find_its_shapes():
    layers = [INPUT, dense("one", "a", 4, "tanh"), dense("two", "a", 4)]
    layers += [entry("sum", "Add", ["one", "two"]), dense("out", "sum", 2)]
    twin = Twin({**functional("out", *layers), "class_name": "Model"})
    assert {name: twin.shape(name) for name in twin.variables} == {
        **{f"{name}.kernel": (3, 4) for name in ("one", "two")},
        **{f"{name}.bias": (4,) for name in ("one", "two")},
        **{"out.kernel": (4, 2), "out.bias": (2,)},
    }

    def plain(name, x):
        kernel, bias = (twin.variables[f"{name}.{w}"].tensors[0] for w in ("kernel", "bias"))
        return x @ kernel.T + bias

    x = torch.ones(2, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = plain("out", torch.tanh(plain("one", x)) + plain("two", x))
        np.testing.assert_allclose(twin.module(x).numpy(), expected.numpy(), rtol=1e-12)


def test_a_sequential_of_keras_2_has_its_input_in_the_first_layer():
    conv = {"name": "conv", "batch_input_shape": [None, 6, 6, 2], "filters": 3, "strides": [1, 1]}
    conv |= {"kernel_size": [3, 3], "padding": "valid", "use_bias": True, "activation": "relu"}
    flat = {"name": "flat", "dtype": "float32"}
    out = {"name": "out", "units": 2, "activation": "linear", "use_bias": True}
    layers = [("Conv2D", {**conv, "dtype": "float32"}), ("Flatten", flat), ("Dense", out)]
    twin = Twin(sequential(*layers))
    shapes = twin.shape("conv.kernel"), twin.shape("out.kernel")
    assert shapes == ((3, 3, 2, 3), (48, 2))


def twin_of(path, folder):
    """The twin of a file, with its weights."""
    copy_stored(path, folder)
    copied = read_copied(folder)
    twin = Twin(copied.config)
    keys = keys_by_name(twin, copied.weights)
    set_weights(twin, {own: copied.arrays[f"weights/{key}"] for own, key in keys.items()})
    return twin


@each_row(
    "name",
    [
        *("photos.h5", "words.keras", "two_outputs.h5", "inner.h5", "states.keras"),
        "heads_key.keras",
        # With operations of TensorFlow.
        *("self_attention.h5", "self_attention.keras", "squeeze_and_shift.h5", "inside.h5"),
    ],
)
def test_the_twin_of_a_file_of_keras_2_computes_what_keras_2_did(tmp_path, name):
    twin, given = twin_of(OLD / name, tmp_path), np.load((OLD / name).with_suffix(".npz"))
    xs = [torch.as_tensor(given[key]) for key in given if key.startswith("x")]
    xs = [x.double() if x.is_floating_point() else x for x in xs]
    with torch.no_grad():
        ys = keras.tree.flatten(twin.module(xs if len(xs) > 1 else xs[0]))
    for number, y in enumerate(ys):
        # Keras 2 computed in float32.
        np.testing.assert_allclose(y.numpy(), given[f"y{number}"], rtol=2e-5, atol=2e-6)


DROP = {
    **entry("drop", "TFOpLambda", [], function="nn.dropout"),
    "inbound_nodes": [["one", 0, 0, {"rate": 0.5}]],
}
HARD = {"name": "out", "units": 2, "activation": "hard_sigmoid", "batch_input_shape": [None, 3]}


@each_row(
    "config, message",
    [
        (
            functional("drop", INPUT, dense("one", "a", 4), DROP),
            r"the operation 'nn\.dropout' of TensorFlow",
        ),
        (
            sequential(("Dense", HARD)),
            r"hard_sigmoid of layer 'out'.*Keras 3 computes otherwise",
        ),
    ],
)
def test_what_has_no_equal_or_is_computed_otherwise_has_no_twin(config, message):
    with pytest.raises(ValueError, match=message):
        Twin(config)


OPERATIONS = {
    "sum of tensors": lambda x, y: x + y,
    "sum by a layer": lambda x, y: L.Add()([x, y]),
    "difference": lambda x, y: x - y,
    "product and quotient": lambda x, y: x * y / (1.0 + x * x),
    "numbers": lambda x, y: 2.0 - y * 3.0,
    "a part": lambda x, y: y[:, 1:3],
    "join": lambda x, y: ops.concatenate([x, y], -1),
    "join by a layer": lambda x, y: L.Concatenate()([x, y]),
    "maximum": lambda x, y: ops.maximum(x, y),
    "shape": lambda x, y: ops.reshape(y, (-1, 4, 1)),
    "shape by a layer": lambda x, y: L.Reshape((4, 1))(y),
    "softmax": lambda x, y: ops.softmax(y),
    "softmax by a layer": lambda x, y: L.Softmax()(y),
    "mean": lambda x, y: ops.mean(y, axis=-1, keepdims=True),
    "one number a sample": lambda x, y: ops.einsum("ij,ij->i", x, y)[:, None],
    "of the name of a layer": lambda x, y: keras.activations.relu(y, negative_slope=0.25),
    "in a model": lambda x, y: keras.Sequential([keras.Input((4,)), inner_sum()])(y),
}


def inner_sum():
    x = keras.Input((4,))
    return keras.Model(x, x + L.Dense(4)(x))


@each_row("case", OPERATIONS)
def test_an_operation_in_a_legacy_file_is_told_from_the_layer_of_its_name(case, tmp_path):
    """Keras itself cannot load most of these `.h5`, whose weights are good."""
    keras.utils.set_random_seed(5)
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2)(OPERATIONS[case](x, L.Dense(4)(x))))
    model.save(tmp_path / "model.h5")
    given = np.random.default_rng(6).normal(size=(3, 4))
    ours = predicted(twin_of(tmp_path / "model.h5", tmp_path).module, given)
    # Keras computes in float32.
    np.testing.assert_allclose(ours, model(given.astype("float32")).numpy(), rtol=2e-5, atol=2e-6)
