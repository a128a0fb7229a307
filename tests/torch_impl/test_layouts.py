"""Every row of the table leads to Keras's layout and back, and weights of one module go by name."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_weights
from rows import each_row
from torch import nn

from torch_impl import layers
from torch_impl.layouts import joined_parameters, variables
from torch_impl.weights import assign, get_weights, match, read, set_weights

# Of each module, the shapes of Keras's variables; all lengths of an example differ.
MODULES = {
    "linear": (lambda: nn.Linear(3, 5), {"kernel": (3, 5), "bias": (5,)}),
    "conv1d": (lambda: nn.Conv1d(3, 5, 2), {"kernel": (2, 3, 5), "bias": (5,)}),
    "conv2d": (lambda: nn.Conv2d(4, 6, (2, 3)), {"kernel": (2, 3, 4, 6), "bias": (6,)}),
    "conv2d_groups": (
        lambda: nn.Conv2d(4, 6, (2, 3), groups=2, bias=False),
        {"kernel": (2, 3, 2, 6)},
    ),
    "conv2d_depthwise": (
        lambda: nn.Conv2d(4, 12, (2, 5), groups=4),
        {"kernel": (2, 5, 4, 3), "bias": (12,)},
    ),
    "conv3d": (lambda: nn.Conv3d(5, 6, (2, 3, 4)), {"kernel": (2, 3, 4, 5, 6), "bias": (6,)}),
    "transposed": (
        lambda: nn.ConvTranspose2d(4, 5, (2, 3)),
        {"kernel": (2, 3, 5, 4), "bias": (5,)},
    ),
    "separable": (
        lambda: layers.SeparableConv2D(3, 5, (2, 4), depth_multiplier=2),
        {"depthwise_kernel": (2, 4, 3, 2), "pointwise_kernel": (1, 1, 6, 5), "bias": (5,)},
    ),
    "batch_norm": (
        lambda: nn.BatchNorm2d(3),
        dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (3,)),
    ),
    "batch_norm_without_weights": (
        lambda: nn.BatchNorm1d(3, affine=False),
        dict.fromkeys(("moving_mean", "moving_variance"), (3,)),
    ),
    "layer_norm": (lambda: nn.LayerNorm((2, 3, 4)), {"gamma": (3, 4, 2), "beta": (3, 4, 2)}),
    "group_norm": (lambda: nn.GroupNorm(2, 4), {"gamma": (4,), "beta": (4,)}),
    "embedding": (lambda: nn.Embedding(7, 3), {"embeddings": (7, 3)}),
    "prelu": (lambda: layers.PReLU((4, 3, 2), 1), {"alpha": (1, 3, 2)}),
    "nested": (
        lambda: nn.Sequential(nn.Linear(3, 2, bias=False), nn.Sequential(nn.Linear(2, 4))),
        {"0/kernel": (3, 2), "1/0/kernel": (2, 4), "1/0/bias": (4,)},
    ),
}


def distinct(shapes, dtype=np.float32):
    numbers = iter(range(10_000))
    return {
        name: np.array([next(numbers) for _ in range(np.prod(shape))], dtype).reshape(shape)
        for name, shape in shapes.items()
    }


def frozen_gru():
    module = layers.GRU(3, 2)
    module.bias_hh_l0.requires_grad_(False)
    return module


@one_test
@pytest.mark.parametrize(("make", "shapes"), MODULES.values(), ids=MODULES)
def test_what_is_assigned_is_read_back_alone_and_in_a_model_as_is_its_gradient(make, shapes):
    """The gradient of sum(w * w) / 2 is w."""
    module, arrays = make(), distinct(shapes)
    assert assign(module, {**arrays, "other/colour": np.ones(3)}) == set(arrays)
    start = torch.zeros((), requires_grad=True)
    sum((parameter.square().sum() / 2 for parameter in module.parameters()), start).backward()
    found, gradients = read(module), read(module, gradient=True)
    assert_same_weights(found, arrays)
    assert all(array.flags.c_contiguous and array.flags.owndata for array in found.values())
    assert gradients.keys() == {name for name in arrays if "moving" not in name}
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, arrays[name])
    source, target = (nn.ModuleDict({"layer": each}) for each in (module, make()))
    weights = get_weights(source)
    assert list(weights) == [f"layer.{name.replace('/', '.')}" for name in shapes]
    set_weights(target, weights)
    assert_same_weights(read(target["layer"]), arrays)


def test_a_subclass_has_the_row_of_its_base_and_a_weight_without_gradient_has_none():
    class Special(nn.Linear):
        pass

    module = Special(3, 2)
    assert list(read(module)) == ["kernel", "bias"]
    module.weight.grad = torch.ones(2, 3)
    assert list(read(module, gradient=True)) == ["kernel"]
    assert [v.name for v in variables(nn.ReLU())] == []


@each_row(
    "call, message",
    [
        (
            lambda: match(["kernel"], TARGETS),
            r"'kernel' means any of \['dense/kernel', 'inner/dense",
        ),
        (
            lambda: assign(
                nn.Linear(3, 2), dict.fromkeys(["a/kernel", "b/kernel"], np.ones((3, 2)))
            ),
            "expected one name for 'kernel'",
        ),
        (
            lambda: assign(nn.Linear(3, 2), {"dense/kernel": np.ones((2, 3))}),
            r"dense/kernel of shape \(2, 3\): expected \(3, 2\)",
        ),
        (
            lambda: assign(nn.Conv2d(4, 12, (2, 3), groups=4), {"kernel": np.ones(4)}),
            r"kernel of shape \(4,\): expected \(2, 3, 4, 3\)",
        ),
    ],
)
def test_names_of_several_meanings_and_other_shapes_are_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


TARGETS = ["dense/kernel", "inner/dense/kernel", "inner/conv/bias", "forward_lstm/lstm_cell/bias"]


@one_test
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("dense/kernel", "dense/kernel"),
        ("dense.kernel", "dense/kernel"),
        ("model/dense/kernel", "dense/kernel"),
        ("model/inner/dense/kernel", "inner/dense/kernel"),
        ("conv/bias", "inner/conv/bias"),
        ("forward_lstm_3/lstm_cell_2/bias", None),
        ("other/gamma", None),
    ],
)
def test_a_name_means_the_weight_whose_path_ends_alike(name, target):
    assert match([name], TARGETS) == ({} if target is None else {name: target})


def test_a_name_with_numbers_of_keras_means_the_weight_of_the_same_direction():
    name = "bidirectional/forward_lstm_3/lstm_cell_2/bias"
    targets = ["forward_lstm/lstm_cell/bias", "backward_lstm/lstm_cell/bias"]
    assert match([name], targets, by_kind=True) == {name: targets[0]}


def test_a_point_in_the_name_of_a_layer_is_an_underscore():
    theirs = keras.layers.Dense(2, name="stage.1")
    theirs.build((None, 3))
    model = nn.ModuleDict({"stage_1": nn.Linear(3, 2)})
    paths = {weight.path: weight.numpy() for weight in theirs.weights}
    assert assign(model, paths) == set(paths)
    np.testing.assert_array_equal(read(model)["stage_1/kernel"], theirs.kernel.numpy())


@one_test
@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (layers.GRU(3, 2), [("bias_ih_l0", "bias_hh_l0")]),
        (layers.GRU(3, 2, reset_after=False), []),
        (layers.LSTM(3, 2), []),
        (frozen_gru(), []),
        (nn.LSTM(3, 2), []),  # both are added: Keras has their sum
        (nn.GRU(3, 2, 2), [(f"bias_ih_l{n}", f"bias_hh_l{n}") for n in (0, 1)]),
        (nn.Sequential(nn.GRUCell(3, 2)), [("0.bias_ih", "0.bias_hh")]),
        (nn.Sequential(nn.Linear(3, 2), nn.MultiheadAttention(4, 2)), []),
        (
            layers.Bidirectional(layers.GRU(3, 2), layers.GRU(3, 2, go_backwards=True)),
            [(f"{way}.bias_ih_l0", f"{way}.bias_hh_l0") for way in ("forward_gru", "backward_gru")],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_that_keras_has_in_one_variable_are_the_biases_of_a_gru(module, expected):
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert [tuple(names[id(x)] for x in joined) for joined in joined_parameters(module)] == expected
