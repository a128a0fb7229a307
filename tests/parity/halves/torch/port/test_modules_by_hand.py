"""Recurrent layers by hand are found by the weights that their modules hold."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import one_layer
import torch
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.call import states_beside
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.carried import NAMES, Carried
from parity.halves.torch.port.modules_by_hand import called_once, modules_by_hand, states_of_steps
from torch_impl.layouts import Variable

NODES = (("lower", "simple_rnn", [4, 6, 3], [4, 6, 5]), ("upper", "simple_rnn", [4, 6, 5], [4, 4]))


class HandRNN(nn.Module):
    """A simple recurrent layer that returns all outputs and the last one, or what is asked for."""

    shown = staticmethod(lambda *both: both)

    def __init__(self, features, units):
        super().__init__()
        self.units = units
        self.cell = Net(  # of the input and the state side by side
            lambda net, x, h: torch.tanh(net.both(torch.cat([x, h], 1))),
            both=nn.Linear(features + units, units),
        )

    def forward(self, x):
        outputs = [x.new_zeros(len(x), self.units)]
        for step in x.unbind(1):
            outputs.append(self.cell(step, outputs[-1]))
        return self.shown(torch.stack(outputs[1:], 1), outputs[-1])


def stacked(lower=None):
    """Two layers, and a dense one of the last state."""
    return Net(
        lambda net, x: net.targets(net.upper(net.lower(x)[0])[1]),
        lower=lower or HandRNN(3, 5),
        upper=HandRNN(5, 4),
        targets=nn.Linear(4, 2),
    )


def port_of(net, nodes=NODES):
    """What is looked at of a port whose kernels have a place."""
    carried, told = [], []
    for name, kind, given, made in nodes:
        held = [n for n, _ in net.named_parameters() if n.startswith(f"{name}.")]
        for path in held:
            owner, _, short = path.rpartition(".")
            variable = Variable(short, net.get_submodule(owner), (short,), None, None)
            carried.append(Carried(path, variable, NAMES))
        node = {"name": name, "kind": kind, "weights": held, "config": {}}
        told.append({**node, "input_shapes": [given], "output_shape": made})
    port = SimpleNamespace(
        module=net,
        cargo=SimpleNamespace(carried=carried),
        pairing=SimpleNamespace(pairs=()),
        keras=one_layer.Arrays({"nodes": told, "noise": {}}, {}),
        by_hand={},
        kept=nullcontext,
        forget_states=lambda: None,
    )
    port.calls = called(net)({})
    return port


def called(net):
    def run(by_hand):
        with recorded_calls(net, lambda number, x, rate: x, by_hand.values()) as calls:
            net(torch.zeros(4, 6, 3))
        return calls

    return run


def test_the_module_of_each_layer_is_found_by_its_weights_and_called_once():
    """Neither that of a step, nor that of a layer with a partner, is taken."""
    net = stacked()
    port = port_of(net)
    found = modules_by_hand(port)
    assert found == {"lower": ["lower", "lower.cell"], "upper": ["upper", "upper.cell"]}
    # The upper one returns the last state beside all outputs, as Keras's does.
    assert called_once(port, found, called(net)) == {"lower": "lower", "upper": "upper"}
    port.pairing.pairs = ((0, 3),)
    assert list(modules_by_hand(port)) == ["upper"]


def test_a_module_with_the_weights_of_two_layers_is_neither():
    net = nn.ModuleDict({"both": stacked()})
    net.forward = net["both"].forward
    found = modules_by_hand(port_of(net, [(f"both.{name}", *rest) for name, *rest in NODES]))
    assert found["both.lower"][0] == "both.lower"


def test_a_module_in_which_a_dropout_is_called_is_not_taken():
    """Its masks would not be Keras's any more."""

    class Dropped(HandRNN):
        def forward(self, x):
            return super().forward(nn.functional.dropout(x, 0.5, self.training))

    net = stacked(Dropped(3, 5))
    port = port_of(net)
    assert "lower" not in called_once(port, modules_by_hand(port), called(net))


def states(shown, changed=0.0, **config):
    """The states of the lower layer by its first steps; its outputs, forwards and from the end."""
    net, x = stacked(), torch.randn(4, 6, 3)
    port = port_of(net)
    port.keras.facts["nodes"][0]["config"] = config
    port.keras["forward/eval/lower/input/0"] = x.numpy() + changed
    starts = [x[:, -n:] if config else x[:, :n] for n in range(1, 7)]
    expected = torch.stack([net.lower(start)[1] for start in starts], 1)
    net.lower.shown = shown
    return states_of_steps(port, lambda: net.lower(x)), {"lower": expected.numpy(force=True)}


@each_row("config", [{}, {"go_backwards": True}])
@each_row("shown", [lambda *both: both, lambda _, last: last, lambda every, _: every])
def test_a_module_tells_its_states_whatever_it_returns(shown, config):
    found, expected = states(shown, **config)
    np.testing.assert_equal(found, expected)


def test_none_are_told_of_another_input_or_by_a_module_that_raises():
    assert states(lambda _, last: last, 0.1)[0] == {}
    assert states(lambda every, _: every.reshape(4, 6, 5))[0] == {}  # of six steps alone


SEQUENCE, LAST = torch.zeros(4, 6, 5), torch.ones(4, 5)


@each_row(
    "output, state",
    [
        *[((SEQUENCE, LAST), LAST), ((SEQUENCE, (LAST, LAST)), LAST), ((SEQUENCE, [LAST]), LAST)],
        *[(SEQUENCE, None), ((SEQUENCE,), None), ((SEQUENCE, SEQUENCE), None)],
        *[((SEQUENCE, None), None), ((LAST, LAST), None)],
    ],
)
def test_the_last_state_stands_beside_all_outputs(output, state):
    assert states_beside(output) is state
