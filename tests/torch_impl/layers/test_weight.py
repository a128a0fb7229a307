"""A weight that no layer has: it is a parameter, it trains, and Keras's numbers come into it."""

import numpy as np
import torch

from torch_impl.layers import Weight
from torch_impl.weights import get_weights, set_weights


def test_its_value_begins_at_zero_and_trains():
    weight = Weight((2, 3))
    assert torch.equal(weight.value, torch.zeros(2, 3))
    assert weight(torch.ones(1)) is weight.value
    (weight.value * torch.arange(3.0)).sum().backward()
    assert weight.value.grad.tolist() == [[0.0, 1.0, 2.0]] * 2


def test_it_has_the_layout_of_keras():
    numbers = np.arange(6, dtype="float32").reshape(2, 3)
    weight = Weight([2, 3])
    set_weights(weight, {"value": numbers})
    np.testing.assert_array_equal(get_weights(weight)["value"], numbers)


def test_a_weight_of_one_number_has_no_axis():
    assert Weight(()).value.shape == ()
