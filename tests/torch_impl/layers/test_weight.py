"""A weight that no layer has: it is a parameter, it trains, and Keras's numbers come into it."""

import torch

from torch_impl.layers import Weight


def test_its_value_begins_at_zero_and_trains():
    weight = Weight((2, 3))
    assert torch.equal(weight.value, torch.zeros(2, 3))
    assert weight(torch.ones(1)) is weight.value
    (weight.value * torch.arange(3.0)).sum().backward()
    assert weight.value.grad.tolist() == [[0.0, 1.0, 2.0]] * 2
