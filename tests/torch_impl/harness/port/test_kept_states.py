"""States that a port keeps between batches are put back, and its weights are not."""

import pytest
import torch
from torch import nn

from torch_impl.harness.port.kept_states import KeptStates, is_stateful

STATEFUL = [{"config": {"stateful": True}}]


class Keeping(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.tied = self.linear.weight.detach()  # the same memory
        self.state = None
        self.summed = torch.zeros(2)
        self.count = 0

    def forward(self, x):
        self.state = (x, [x])
        self.summed += 1  # in place
        self.later = x
        self.count += 1
        return self.linear(x)


def test_attributes_are_as_they_were():
    net = Keeping()
    kept = KeptStates(net, STATEFUL)
    for _ in range(2):
        net(torch.ones(2))
        with torch.no_grad():
            net.linear.weight.fill_(7)
        kept.restore()
        assert net.state is None
        assert torch.equal(net.summed, torch.zeros(2))
        assert not hasattr(net, "later")
    assert net.count == 2
    assert (net.linear.weight == 7).all()
    assert (net.tied == 7).all()


def test_nothing_is_put_back_without_a_stateful_layer_in_keras():
    net = Keeping()
    kept = KeptStates(net, [{"config": {"units": 3}}])
    net(torch.ones(2))
    kept.restore()
    assert net.state is not None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"stateful": True}, True),
        ({"stateful": False}, False),
        ({"layer": {"config": {"stateful": True}}}, True),
        ({}, False),
    ],
)
def test_a_stateful_layer_is_known_by_its_config(config, expected):
    assert is_stateful({"config": config}) == expected
