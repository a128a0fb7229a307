"""A weight that `load` has set is found by its values, wherever and in whatever order they are."""

import numpy as np
import pytest
import torch
from rows import each_row
from torch import nn

from parity.errors import InputError
from parity.halves.torch.port.carrying import Loaded, WeightsByName, load_by
from torch_impl.weights import put


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


def net_with(value):
    net = nn.Module()
    net.inner = nn.Module()
    net.other = nn.Parameter(torch.randn(3, 2, dtype=torch.float64))
    net.inner.w = nn.Parameter(torch.tensor(value))
    return net


def gates(order, axes):
    return lambda k: np.concatenate([np.split(k, len(order), -1)[g] for g in order], -1).transpose(
        axes
    )


# A shape, and the order of a parameter with a weight of it.
ORDERS = {
    "same": ((4, 5), lambda k: k),
    "turned": ((4, 5), lambda k: k.T),
    "flat": ((4, 5), lambda k: k.reshape(-1)),
    "rows": ((4, 5), lambda k: k[[3, 0, 2, 1]]),
    "with_axes": ((4, 5), lambda k: k[:, None, :, None]),
    "convolution": ((2, 3, 4, 5), lambda k: k.transpose(3, 2, 0, 1)),
    "gru": ((3, 6), gates((1, 0, 2), (1, 0))),
    "lstm_of_others": ((3, 8), gates((0, 1, 3, 2), (1, 0))),
}
OF_LAYOUTS = ("turned", "convolution", "gru", "lstm_of_others")


@each_row("name", ORDERS)
def test_a_weight_in_another_order_is_found_and_set(name):
    """A value that stands twice hides it in an order that no layout has."""
    shape, order = ORDERS[name]
    for is_twice in (False, True)[: 1 + (name in OF_LAYOUTS)]:
        kernel = draw(*shape)
        if is_twice:
            kernel.reshape(-1)[-1] = kernel.reshape(-1)[0]
        net = net_with(order(kernel).copy())
        variable = Loaded(net).find("dense.kernel", kernel)
        assert (variable.module, variable.attributes, variable.part) == (net.inner, ("w",), None)
        assert np.array_equal(variable.to_keras(variable.tensors).detach(), kernel)
        other = draw(*shape) + 1
        (tensor,) = variable.to_torch(torch.tensor(other))
        assert np.array_equal(tensor, order(other))
    kernel = draw(4, 5)
    kernel[3, 4] = kernel[0, 0]
    assert Loaded(net_with(kernel[[3, 0, 2, 1]])).find("dense.kernel", kernel) is None


def test_a_weight_that_is_part_of_a_parameter_is_set_alone():
    parts = draw(3, 4, 5)
    net = net_with(parts.reshape(12, 5))
    variable = Loaded(net).find("query.kernel", parts[1].T.copy())
    assert variable.part is not None
    with torch.no_grad():
        put(variable, net.inner.w, *variable.to_torch(torch.zeros(5, 4, dtype=torch.float64)))
    expected = parts.copy()
    expected[1] = 0
    assert np.array_equal(net.inner.w.detach().reshape(3, 4, 5), expected)


def test_what_is_nowhere_is_not_found_and_equal_values_only_where_they_stand():
    net = net_with(draw(4, 5))
    assert Loaded(net).find("dense.kernel", draw(4, 5) + 1e-15 + 1e-9) is None
    assert Loaded(net).find("dense.kernel", np.zeros((0,))) is None
    ones = np.array([0.5, 0.5, 2.0])
    assert Loaded(net_with(ones)).find("norm.gamma", ones).attributes == ("w",)
    assert Loaded(net_with(ones[::-1].copy())).find("norm.gamma", ones) is None


WEIGHTS = {
    "dense.kernel": np.zeros((2, 3)),
    "gru.gru_cell/kernel": np.ones((3, 4)),
    "lstm.forward_lstm/lstm_cell/bias": np.ones(4),
    "lstm.backward_lstm/lstm_cell/bias": np.ones(4),
}


def test_a_weight_of_an_inner_cell_is_found_without_the_cell_if_there_is_one():
    weights = WeightsByName(WEIGHTS)
    assert weights["gru.kernel"] is WEIGHTS["gru.gru_cell/kernel"]
    assert weights["dense.kernel"] is WEIGHTS["dense.kernel"]
    assert sorted(weights) == sorted(WEIGHTS)
    for name in ("lstm.bias", "gru.bias", "kernel"):
        with pytest.raises(KeyError, match=name):
            weights[name]


@each_row("error", [KeyError("kernel"), RuntimeError("shapes differ")])
def test_an_error_of_load_is_told_with_what_it_gets(error):
    def load(module, weights):
        assert not torch.is_grad_enabled()
        raise error

    raised = r"`load` raised \w+Error: .*, test_loaded.py:\d+; it gets "
    with pytest.raises(InputError, match=raised + r".* dense.kernel \[2, 3\], gru.gru_cell/kernel"):
        load_by(load, torch.nn.Linear(1, 1), WeightsByName(WEIGHTS))


KERNEL = draw(4, 6)
BIAS = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])  # of an LSTM: ones for the forget gate


@each_row(
    "weight, parameters, names",
    [
        (
            KERNEL,
            {"gates": KERNEL[:, :4].T, "new": KERNEL[:, 4:].T, "other": draw(6, 4) + 9},
            ["gates", "new"],
        ),
        (KERNEL, {"gates": KERNEL[:, :4], "new": KERNEL[:, 4:] + 1}, []),
        (BIAS, {"i": BIAS[:2], "f": BIAS[2:4], "c": BIAS[4:]}, ["i", "f", "c"]),
        (BIAS, {"f": BIAS[2:4], "i": BIAS[:2], "c": BIAS[4:]}, []),
    ],
    ids=["in_parts", "a_part_missing", "in_order", "in_another"],
)
def test_a_weight_in_parts_is_found_in_all_of_them(weight, parameters, names):
    net = nn.Module()
    for name, value in parameters.items():
        setattr(net, name, nn.Parameter(torch.tensor(value.copy())))
    assert Loaded(net).spread(weight) == names


def test_of_equal_weights_that_of_the_path_with_keras_names_is_found():
    """Both directions of a recurrent layer begin with the same bias, whose forget gate has ones."""
    bias = np.repeat([0.0, 1.0, 0.0, 0.0], 3)
    net = nn.ModuleDict({name: nn.LSTM(2, 3) for name in ("forward_lstm", "backward_lstm")})
    for layer in net.values():
        layer.bias_ih_l0.data = torch.from_numpy(bias.copy())
    for name in ("backward_lstm", "forward_lstm"):
        assert Loaded(net).find(f"bidirectional.{name}/lstm_cell/bias", bias).module is net[name]
