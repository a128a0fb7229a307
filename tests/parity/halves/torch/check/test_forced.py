"""A pass with Keras's values: every layer is right or wrong by itself, whatever is around it.

The expected numbers are those of `check_pairs`, computed in NumPy.
"""

import check_factories
import check_pairs
import numpy as np
import pytest
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.check.layers import forced_pass
from parity.halves.torch.check.loss import Loss
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl import Port

CLOSE = {"rtol": 0, "atol": 1e-14}  # sums of five products of numbers around 1
NAMES = [node[0] for node in check_pairs.NODES]


@pytest.fixture
def forced(recorded, tmp_path):
    """The pass of a port in a mode, in train mode with its loss."""

    def run(factory, mode="train", left_out=()):
        port = PortUnderTest(factory, 3, recorded.read(tmp_path / "keras"))
        loss = Loss(port, "same") if mode == "train" else None
        return forced_pass(port, mode, left_out, loss)

    return run


def net(*, dense1=None, activation=None, dense2=None):
    """The network of `check_pairs`, with other modules in the places of its own."""
    module = check_factories.torch_module()
    for place, other in ((0, dense1), (1, activation), (3, dense2)):
        module[place] = other or module[place]
    return Port(module, nn.MSELoss())


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x.detach())


@each_row("mode", ["eval", "train"])
def test_a_right_port_makes_of_keras_values_what_keras_makes(forced, recorded, mode):
    found = forced(net, mode)
    assert list(found.own) == list(found.targets) == NAMES
    for name in NAMES:
        key = f"forward/{mode}/{name}"
        assert found.targets[name] == f"{key}/output"
        np.testing.assert_allclose(found.own[name], recorded.arrays[f"{key}/output"], **CLOSE)
        (given,) = found.inputs[name].values()
        np.testing.assert_allclose(given, recorded.arrays[f"{key}/input/0"], **CLOSE)
    assert found.unshaped == []


def test_its_loss_and_all_gradients_are_keras_own(forced, recorded):
    found = forced(net)
    np.testing.assert_allclose(found.loss, recorded.arrays["loss/value"], **CLOSE)
    assert_gradients(found, recorded)
    # The last activation may carry its logits to the loss.
    assert set(found.arrived) == set(NAMES[:-1])
    for name, slope in found.arrived.items():
        np.testing.assert_allclose(slope, recorded.arrays[f"output_gradient/{name}"], **CLOSE)


def test_a_wrong_layer_is_wrong_alone(forced, recorded):
    found = forced(lambda: net(activation=nn.Tanh()))
    arrays = recorded.arrays
    linear = arrays["forward/train/dense1/output"]
    np.testing.assert_allclose(found.own["dense1.activation"], np.tanh(linear), **CLOSE)
    for name in set(NAMES) - {"dense1.activation"}:
        np.testing.assert_allclose(found.own[name], arrays[f"forward/train/{name}/output"], **CLOSE)
    # What reaches dense1 goes through the wrong activation; behind it, Keras's gradient goes on.
    expected = arrays["output_gradient/dense1.activation"] * (1 - np.tanh(linear) ** 2)
    np.testing.assert_allclose(found.arrived["dense1"], expected, **CLOSE)
    assert_gradients(found, recorded)


def assert_gradients(found, recorded):
    for name in check_pairs.SHAPES:
        theirs = recorded.arrays[f"gradient/{name}"]
        np.testing.assert_allclose(found.gradient[name], theirs, **CLOSE)


def test_a_gradient_that_is_cut_off_is_missing_before_the_cut_alone(forced):
    found = forced(lambda: net(dense2=Detached(4, 3)))
    assert set(found.gradient) == {"dense2.kernel", "dense2.bias"}
    assert set(found.arrived) == {"dense2"}


def test_a_layer_that_is_left_out_hands_on_its_own_value(forced, recorded):
    found = forced(lambda: net(activation=nn.Tanh()), "eval", left_out=["dense1.activation"])
    assert "dense1.activation" not in found.own
    (given,) = found.inputs["dropout"].values()
    linear = recorded.arrays["forward/eval/dense1/output"]
    np.testing.assert_allclose(given, np.tanh(linear), **CLOSE)


# --- parts ---------------------------------------------------------------------------------------


class Frozen(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


def test_no_gradient_is_awaited_of_what_runs_without(forced):
    assert "dense1" in forced(net).awaited
    assert {*forced(lambda: net(dense1=Frozen(5, 4))).awaited} & {"dense1", "dense2"} == {"dense2"}
