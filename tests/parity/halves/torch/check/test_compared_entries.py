"""The steps of the entries that are compared are those of whole weights, or whole ones are made."""

import check_factories
import numpy as np
import pytest
import torch
from helpers import assert_same_bits
from rows import each_row
from torch import nn

from parity.data import probe_inputs
from parity.halves.torch.check.optimizer import compared_entries, write_optimizer
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import CheckWriter
from torch_impl import Port, optim

NAMES = ["dense1.kernel", "dense1.bias", "dense2.kernel", "dense2.bias"]


@pytest.fixture(autouse=True)
def few_entries(monkeypatch):
    """Only the two kernels, of 20 and 12 entries, have more than what is compared."""
    monkeypatch.setattr(probe_inputs, "MAX_STEP_ENTRIES", 5)


@pytest.fixture
def keras(recorded, tmp_path):
    return recorded.read(tmp_path / "keras")


def port_of(keras, optimizer, **parts):
    def factory():
        net = check_factories.torch_module()
        return Port(net, nn.MSELoss(), optimizer(net), **parts)

    return PortUnderTest(factory, 3, keras)


def groups(net):
    return [
        {"params": net[0].parameters(), "lr": 0.01},
        {"params": net[3].parameters(), "weight_decay": 0.1},
    ]


OPTIMIZERS = {
    "torch_adam": lambda net: torch.optim.Adam(net.parameters(), 0.01),
    "torch_sgd": lambda net: torch.optim.SGD(net.parameters(), 0.1, 0.9, nesterov=True),
    "torch_rmsprop": lambda net: torch.optim.RMSprop(net.parameters(), 0.01, centered=True),
    "torch_groups": lambda net: torch.optim.AdamW(groups(net)),
    "adam": lambda net: optim.Adam(net.parameters(), 0.01, amsgrad=True),
    "nadam": lambda net: optim.Nadam(net.parameters(), 0.01),
    "lion": lambda net: optim.Lion(net.parameters(), 0.01),
    "ftrl": lambda net: optim.Ftrl(net.parameters(), 0.1, l1_regularization_strength=0.01),
    "groups": lambda net: optim.AdamW(groups(net), learning_rate=0.02),
    "clipvalue": lambda net: optim.Adagrad(net.parameters(), 0.01, clipvalue=0.5),
}


@each_row("name", OPTIMIZERS)
def test_steps_of_the_compared_entries_are_those_of_whole_weights(keras, name):
    with compared_entries(port_of(keras, OPTIMIZERS[name]), NAMES) as reduced:
        shapes = {item.name: item.value().shape for item in reduced.carried}
    assert shapes == {
        "dense1.kernel": (4,),  # every fifth entry
        "dense1.bias": (4,),
        "dense2.kernel": (4,),
        "dense2.bias": (3,),
    }
    whole, brief = CheckWriter(), CheckWriter()
    write_optimizer(port_of(keras, OPTIMIZERS[name]), whole)
    write_optimizer(port_of(keras, OPTIMIZERS[name]), brief, is_brief=True)
    assert list(brief.arrays) == list(whole.arrays)
    assert len(whole.arrays) > len(NAMES) * len(probe_inputs.OPTIMIZER_STEPS)
    for key, array in whole.arrays.items():
        # An instruction for several numbers may round in another way than that for one.
        np.testing.assert_allclose(brief.arrays[key].reshape(-1), array.reshape(-1), rtol=4e-16)


def moved_and_broken(port):
    with compared_entries(port, NAMES) as reduced:
        assert reduced is not port
        reduced.module[0].weight.data.add_(1)
        raise ZeroDivisionError


def test_the_parameters_are_whole_again_afterwards_also_after_an_error(keras):
    port = port_of(keras, OPTIMIZERS["adam"])
    with pytest.raises(ZeroDivisionError):
        moved_and_broken(port)
    for item in port.carried:
        assert_same_bits(item.value(), keras[f"weights/{item.name}"])
    assert all(parameter.grad is None for parameter in port.module.parameters())
    port.cargo.carried.append(port.carried[0])  # weights that share a parameter
    with compared_entries(port, NAMES) as same:
        assert same is port


class ClippingAdam(torch.optim.Adam):
    """An Adam of the user's own, which may look at all gradients of a weight."""


def hooked(net):
    optimizer = OPTIMIZERS["torch_adam"](net)
    optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_norm_(net.parameters(), 1.0))
    return optimizer


def with_another_step(net):
    optimizer = OPTIMIZERS["torch_adam"](net)
    optimizer.step = ClippingAdam(net.parameters()).step
    return optimizer


def with_steps_behind(net):
    optimizer = OPTIMIZERS["torch_adam"](net)
    net[0](torch.ones(1, 5, dtype=net[0].weight.dtype)).sum().backward()
    optimizer.step()
    return optimizer


@each_row(
    "optimizer, parts",
    [
        (lambda net: optim.Adam(net.parameters(), 0.01, clipnorm=1.0), {}),
        (lambda net: optim.Adam(net.parameters(), 0.01, global_clipnorm=1.0), {}),
        (lambda net: optim.Adam(net.parameters(), 0.01, use_ema=True), {}),
        (lambda net: ClippingAdam(net.parameters()), {}),
        (hooked, {}),
        (with_another_step, {}),
        (with_steps_behind, {}),
        (
            OPTIMIZERS["adam"],
            {"before_step": lambda net: nn.utils.clip_grad_norm_(net.parameters(), 1.0)},
        ),
    ],
)
def test_steps_that_may_look_at_more_than_one_number_are_whole(keras, optimizer, parts):
    port = port_of(keras, optimizer, **parts)
    with compared_entries(port, NAMES) as same:
        assert same is port
        assert port.module[0].weight.shape == (4, 5)


def test_a_frozen_weight_stays_as_it_is(keras):
    def frozen(net):
        net[0].weight.requires_grad_(False)
        return OPTIMIZERS["torch_adam"](net)

    brief = CheckWriter()
    write_optimizer(port_of(keras, frozen), brief, is_brief=True)
    start = probe_inputs.of_step(keras["weights/dense1.kernel"])
    assert_same_bits(brief.arrays["optimizer/12/weights/dense1.kernel"], start)
    assert (brief.arrays["optimizer/12/weights/dense1.bias"] != keras["weights/dense1.bias"]).all()
