"""In which modes a loop trains each part is seen at its first pass, and nothing stays of it."""

import torch
from rows import each_row
from torch import nn

from parity.halves.torch.port.loop_modes import modes_of_loop
from torch_impl import Port

X = torch.ones(3, 2)


def frozen(net):
    net.train()
    net[0].eval()


def trained(net):
    net.train()


def evaluated(net):
    net.eval()


def failing(net):
    raise ValueError


@each_row(
    "prepare, expected",
    [
        (frozen, [True, False, True]),
        (trained, [True, True, True]),
        (evaluated, []),  # a finding about its steps
        (failing, []),
    ],
)
def test_the_modes_of_a_loop_are_those_of_its_first_pass_with_gradients(prepare, expected):
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    calls = []

    def train_epoch(batches):
        prepare(net)
        calls.append(len(batches))
        with torch.no_grad():
            net.eval()(X)
        prepare(net)
        for x, _ in batches:
            net(x)

    found = modes_of_loop(Port(net, train_epoch=train_epoch), net, (X,))
    assert [is_training for _, is_training in found] == expected
    assert [part for part, _ in found] == list(net.modules())[: len(expected)]
    assert calls == []  # a list that the loop can reach is put back
    assert net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
