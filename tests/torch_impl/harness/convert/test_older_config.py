"""Configurations of Keras 2 and of legacy files give the same twin as those of today."""

import numpy as np
import torch

from torch_impl.harness.convert.twin import Twin


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
