"""Slots that a port keeps outside of its optimizer are found by values, set, and read back."""

import copy
from types import SimpleNamespace

import numpy as np
import torch
from rows import each_row
from torch import nn
from torch.optim.swa_utils import AveragedModel

from parity.halves.torch.kept import reached
from parity.halves.torch.port.carried import PAIRING, Carried
from parity.halves.torch.program.elsewhere import SUMS, Elsewhere
from torch_impl import Port
from torch_impl.layouts import variables

KERNEL = np.arange(1.0, 7.0).reshape(3, 2) / 8  # Keras's layout, (in, out)
BIAS = np.array([0.25, -0.5])
RATE = 0.25
AVERAGE = {"average": {"dense.kernel": KERNEL, "dense.bias": BIAS}}


def net(factor=1.0):
    """A layer whose weights are those of Keras's average, times a factor."""
    module = nn.Linear(3, 2)
    module.weight.data = torch.from_numpy(KERNEL.T.copy()).float() * factor
    module.bias.data = torch.from_numpy(BIAS.copy()).float() * factor
    return module


def tensors(factor):
    return [p.detach() for p in net(factor).parameters()]


def by_name(factor):
    return dict(zip(("weight", "bias"), tensors(factor), strict=True))


def averaged_model(factor):
    return AveragedModel(net(factor))


class Shadow:
    def __init__(self, factor):
        self.decay, self.shadow = 0.9, by_name(factor)


class Own(torch.optim.Optimizer):
    """Keeps a slot times a factor, beside what is none, and knows the weights in some order."""

    def __init__(self, parameters, factor, order=1):
        super().__init__([*parameters][::order], {"lr": RATE})
        values = tensors(factor)[::order]
        for parameter, value in zip(self.param_groups[0]["params"], values, strict=True):
            self.state[parameter] = {"t": torch.tensor(1.0), "first": value, "second": value**2 / 9}


def elsewhere(*held, factor=0.0, order=1):
    """A port of other weights, whose loop can reach some things."""
    module = net(2.0)
    optimizer = Own(module.parameters(), factor, order) if factor else None
    port = Port(module, optimizer=optimizer, train_epoch=lambda batches: held)
    carried = [Carried(f"dense.{v.name}", v, PAIRING) for v in variables(module)]
    return Elsewhere(SimpleNamespace(carried=carried), port), reached(port)


HOLDERS = [tensors, by_name, averaged_model, Shadow, net]


@each_row("holder", HOLDERS)
def test_what_is_near_an_average_is_found_set_and_read_wherever_it_is(holder):
    found, within = elsewhere(holder(1 + 1e-6))
    assert found.find(AVERAGE, ["momentum"], RATE, within) == {"average"}
    others = {"average": {name: value + 1 for name, value in AVERAGE["average"].items()}}
    for values in (others, AVERAGE):
        found.set(values, RATE)
        for name, value in found.read(RATE)["average"].items():
            np.testing.assert_array_equal(value, values["average"][name])


@each_row("factor", [1.0, -1.0, 1 / RATE, -1 / RATE])
def test_an_optimizer_may_keep_a_slot_without_the_rate_and_with_another_sign(factor):
    found, within = elsewhere(factor=factor)
    state = within.optimizers[0].state
    assert found.find(AVERAGE, [], RATE, within) == {"average"}
    found.set({"average": {name: value * 3 for name, value in AVERAGE["average"].items()}}, RATE)
    for kept, value in zip(state.values(), tensors(3 * factor), strict=True):
        torch.testing.assert_close(kept["first"], value)
        assert float(kept["t"]) == 1
    np.testing.assert_allclose(found.read(RATE)["average"]["dense.kernel"], 3 * KERNEL, rtol=1e-6)


def test_an_optimizer_may_know_the_weights_in_another_order_than_the_module():
    found, within = elsewhere(factor=1.0, order=-1)
    assert found.find(AVERAGE, [], RATE, within) == {"average"}
    np.testing.assert_array_equal(found.read(RATE)["average"]["dense.bias"], BIAS)


def test_slots_that_are_the_same_yet_are_told_apart_when_they_differ():
    first, second = tensors(1.0), tensors(1.0)
    found, within = elsewhere(first, second)
    slots = {"velocity": AVERAGE["average"], "greatest": AVERAGE["average"]}
    assert found.find(slots, [], RATE, within) == {*slots}
    assert found.read(RATE) == {}  # either may be either
    slots["greatest"] = {name: 2 * value for name, value in AVERAGE["average"].items()}
    for each in second:
        each.mul_(2)
    assert found.find(slots, [], RATE, within) == {*slots}
    np.testing.assert_array_equal(found.read(RATE)["greatest"]["dense.kernel"], 2 * KERNEL)


def test_what_an_optimizer_keeps_of_another_size_is_no_slot():
    found, within = elsewhere(factor=1.7)
    assert found.find(AVERAGE, [], RATE, within) == set()


@each_row(
    "held, is_found",
    [
        ((), False),
        ((tensors(1.49),), True),  # a port that averages otherwise is to be compared, too
        ((tensors(1.51),), False),
        ((tensors(0.0),), False),  # such as slots of an optimizer
        ((tensors(1.0)[:1],), False),  # the kernel alone
        ((tensors(1.01), tensors(1.05)), False),  # either may be it
        ((tensors(1.01), tensors(1.2)), True),
    ],
)
def test_only_what_is_clearly_the_nearest_is_taken(held, is_found):
    found, within = elsewhere(*copy.deepcopy(held))
    assert found.find(AVERAGE, [], RATE, within) == ({"average"} if is_found else set())
    assert list(found.read(RATE)) == (["average"] if is_found else [])


def test_a_slot_that_the_optimizer_keeps_is_not_looked_for():
    found, within = elsewhere(tensors(1.0))
    assert found.find(AVERAGE, ["average"], RATE, within) == set()


def test_the_weights_that_are_trained_are_no_average():
    module = net()
    port = Port(module, train_epoch=lambda batches: list(module.parameters()))
    carried = [Carried(f"dense.{v.name}", v, PAIRING) for v in variables(module)]
    found = Elsewhere(SimpleNamespace(carried=carried), port)
    assert found.find(AVERAGE, [], RATE, reached(port)) == set()


@each_row(
    "share, period, is_found",
    [(1.0, 2, True), (0.5, 2, True), (0.25, 4, True), (1.0, 4, True), (0.0, 4, False)],
)
def test_sums_of_gradients_are_set_as_the_loop_adds_them_up(share, period, is_found):
    found, within = elsewhere()
    found = Elsewhere(found._port, found._built, period)
    module, sums = within.modules[0], {SUMS: AVERAGE["average"]}
    for parameter, value in zip(module.parameters(), tensors(share * 1.001), strict=True):
        parameter.grad = value
    assert found.find(sums, [], RATE, within) == ({SUMS} if is_found else set())
    module.zero_grad()
    found.set({SUMS: {name: value * 3 for name, value in AVERAGE["average"].items()}}, RATE)
    if is_found:
        torch.testing.assert_close(module.bias.grad, tensors(3 * share)[1])
    else:
        assert module.bias.grad is None
    assert found.read(RATE) == {}


def test_zeros_need_not_be_found():
    found, within = elsewhere()
    zeros = {"momentum": {name: 0 * value for name, value in AVERAGE["average"].items()}}
    assert found.find(zeros, [], RATE, within) == {"momentum"}
    assert found.find(zeros, ["momentum"], RATE, within) == set()
