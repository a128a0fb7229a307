"""A second port of a factory has Keras's weights without being paired, and no steps behind it."""

import check_factories
import numpy as np
import pytest
import torch
from torch import nn

from parity.halves.torch.port import port_under_test as built
from parity.halves.torch.port.port_under_test import PortUnderTest, built_again, forget_values
from torch_impl.port import Port


@pytest.fixture
def keras(recorded, tmp_path):
    return recorded.read(tmp_path / "keras")


@pytest.fixture
def large(monkeypatch):
    """Takes every port for a large one, which may not be paired a second time."""
    monkeypatch.setattr(built, "LARGE_MODEL", 1)


def stepped(port):
    """A port after a step of its optimizer."""
    port.set_gradients(["dense1.kernel"], lambda name: np.ones((5, 4)))
    port.built.optimizer.step()
    return port


def assert_is_new(port, keras):
    for name, weight in port.weights().items():
        np.testing.assert_array_equal(weight, keras[f"weights/{name}"])
    held = {id(p) for group in port.built.optimizer.param_groups for p in group["params"]}
    assert held == {id(parameter) for parameter in port.module.parameters()}
    assert not port.built.optimizer.state
    _, output = port.forward("train", "probe", training=True)
    np.testing.assert_allclose(
        output.detach().numpy(), keras["forward/train/output"], rtol=0, atol=1e-14
    )


def adam():
    net = check_factories.torch_module()
    return Port(net, nn.MSELoss(), torch.optim.Adam(net.parameters()))


def test_it_is_the_port_of_keras_again(keras, large, monkeypatch):
    port = stepped(PortUnderTest(adam, 3, keras))
    monkeypatch.setattr(PortUnderTest, "_pair_up", None)
    again = built_again(port, adam, 3)
    assert_is_new(again, keras)
    assert again.module is not port.module
    assert port.built.optimizer.state  # as it was


def test_the_first_port_is_given_back_if_it_was_the_last_time(keras, large):
    port = stepped(PortUnderTest(adam, 3, keras))
    forget_values(port)
    again = built_again(port, adam, 3, is_last=True)
    assert {p.device.type for p in port.module.parameters()} == {"meta"}
    assert_is_new(again, keras)


def test_a_module_that_a_factory_returns_again_is_kept(keras, large):
    net = check_factories.torch_module()

    def same():
        return Port(net, nn.MSELoss(), torch.optim.Adam(net.parameters()))

    assert_is_new(built_again(stepped(PortUnderTest(same, 3, keras)), same, 3, is_last=True), keras)
