"""Configurations of Keras 2 and of legacy files give the same twin as those of today."""

import keras
import numpy as np
import pytest
import torch
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


def test_a_functional_model_of_keras_2_is_called_to_find_its_shapes():
    layers = [
        entry("a", "InputLayer", [], batch_input_shape=[None, 3], sparse=False, ragged=False),
        dense("one", "a", 4, "tanh"),
        dense("two", "a", 4),
        entry("sum", "Add", ["one", "two"]),
        dense("out", "sum", 2),
    ]
    inner = {"name": "model", "layers": layers, "input_layers": [["a", 0, 0]]}
    twin = Twin({"class_name": "Model", "config": {**inner, "output_layers": [["out", 0, 0]]}})
    assert {name: twin.shape(name) for name in twin.variables} == {
        "one.kernel": (3, 4),
        "one.bias": (4,),
        "two.kernel": (3, 4),
        "two.bias": (4,),
        "out.kernel": (4, 2),
        "out.bias": (2,),
    }
    x = torch.ones(2, 3, dtype=torch.float64)

    def plain(name, x):
        kernel, bias = (twin.variables[f"{name}.{w}"].tensors[0] for w in ("kernel", "bias"))
        return x @ kernel.T + bias

    with torch.no_grad():
        expected = plain("out", torch.tanh(plain("one", x)) + plain("two", x))
        np.testing.assert_allclose(twin.module(x).numpy(), expected.numpy(), rtol=1e-12)


def test_a_sequential_of_keras_2_has_its_input_in_the_first_layer():
    layers = [
        {
            "class_name": "Conv2D",
            "config": {
                "name": "conv",
                "batch_input_shape": [None, 6, 6, 2],
                "dtype": "float32",
                "filters": 3,
                "kernel_size": [3, 3],
                "strides": [1, 1],
                "padding": "valid",
                "use_bias": True,
                "activation": "relu",
            },
        },
        {"class_name": "Flatten", "config": {"name": "flat", "dtype": "float32"}},
        {
            "class_name": "Dense",
            "config": {"name": "out", "units": 2, "activation": "linear", "use_bias": True},
        },
    ]
    twin = Twin({"class_name": "Sequential", "config": {"name": "net", "layers": layers}})
    assert twin.shape("conv.kernel") == (3, 3, 2, 3)
    assert twin.shape("out.kernel") == (48, 2)


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
    copy_stored(OLD / name, tmp_path)
    copied = read_copied(tmp_path)
    twin = Twin(copied.config)
    keys = keys_by_name(twin, copied.weights)
    set_weights(twin, {own: copied.arrays[f"weights/{key}"] for own, key in keys.items()})
    given = np.load((OLD / name).with_suffix(".npz"))
    xs = [torch.as_tensor(given[key]) for key in given if key.startswith("x")]
    xs = [x.double() if x.is_floating_point() else x for x in xs]
    with torch.no_grad():
        ys = twin.module(xs if len(xs) > 1 else xs[0])
    for number, y in enumerate(ys if isinstance(ys, list | tuple) else [ys]):
        # Keras 2 computed in float32.
        np.testing.assert_allclose(y.numpy(), given[f"y{number}"], rtol=2e-5, atol=2e-6)


def test_an_operation_of_tensorflow_that_has_no_equal_has_no_twin():
    drop = entry("drop", "TFOpLambda", [], function="nn.dropout")
    drop["inbound_nodes"] = [["one", 0, 0, {"rate": 0.5}]]
    first = entry("a", "InputLayer", [], batch_input_shape=[None, 3])
    inner = {"name": "model", "layers": [first, dense("one", "a", 4), drop]}
    ends = {"input_layers": [["a", 0, 0]], "output_layers": [["drop", 0, 0]]}
    with pytest.raises(ValueError, match=r"the operation 'nn\.dropout' of TensorFlow"):
        Twin({"class_name": "Functional", "config": {**inner, **ends}})


def test_what_keras_3_computes_otherwise_has_no_twin(tmp_path):
    dense = {
        "name": "out",
        "units": 2,
        "activation": "hard_sigmoid",
        "batch_input_shape": [None, 3],
    }
    layers = [{"class_name": "Dense", "config": dense}]
    with pytest.raises(
        ValueError, match=r"hard_sigmoid of layer 'out'.*Keras 3 computes otherwise"
    ):
        Twin({"class_name": "Sequential", "config": {"name": "net", "layers": layers}})


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
    copy_stored(tmp_path / "model.h5", tmp_path)
    copied = read_copied(tmp_path)
    twin = Twin(copied.config)
    keys = keys_by_name(twin, copied.weights)
    set_weights(twin, {own: copied.arrays[f"weights/{key}"] for own, key in keys.items()})
    given = np.random.default_rng(6).normal(size=(3, 4))
    with torch.no_grad():
        ours = twin.module(torch.from_numpy(given)).numpy()
    # Keras computes in float32.
    np.testing.assert_allclose(ours, model(given.astype("float32")).numpy(), rtol=2e-5, atol=2e-6)
