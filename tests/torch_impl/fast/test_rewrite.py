"""A fused network is the same network: layers, parameters, states, and what it computes."""

from collections import OrderedDict

import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl.fast import PooledConv2d, PooledReLU, fused
from torch_impl.layers import Dropout, Flatten, SpatialDropout
from torch_impl.models import MODELS

X = torch.randn(6, 1, 28, 28).contiguous(memory_format=torch.channels_last)


def built(name, dtype=torch.float32):
    torch.manual_seed(3)
    return MODELS[name]((28, 28, 1), 10).to(dtype).to(memory_format=torch.channels_last)


def step(network, x):
    """Output and gradients of one step in train mode."""
    network.train()
    output = network(x)
    output.square().sum().backward()
    return output.detach()


@one_test
@pytest.mark.parametrize("name", MODELS)
def test_each_network_of_the_article_computes_the_same(name):
    model, twin = built(name, torch.float64), built(name, torch.float64)
    network, x = fused(twin), X.double()
    for _ in range(2):  # masks of the first call, and of the second
        torch.testing.assert_close(step(network, x), step(model, x), rtol=1e-12, atol=1e-12)
    for theirs, ours in zip(model.parameters(), twin.parameters(), strict=True):
        scale = theirs.grad.abs().max().item()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-13 * scale)
    model.eval()
    network.eval()
    torch.testing.assert_close(network(x), model(x), rtol=1e-12, atol=1e-12)


def test_relu_pool_and_dropout_become_one_layer_under_the_name_of_the_pool():
    network = fused(built("dropout"))
    assert [name for name, _ in network.named_children()] == [
        *("pool1", "conv2", "pool2", "flatten"),
        *("dense1", "relu3", "dropout2", "dense2"),
    ]
    assert isinstance(network.pool1, PooledConv2d)  # with the convolution that images enter by
    assert isinstance(network.pool2, PooledReLU)
    assert (network.pool1.rest.dropout.rate, network.pool2.dropout) == (0.25, None)


def test_a_dropout_of_whole_channels_stays_behind_the_pool():
    dropout = SpatialDropout(0.5)
    found = list(fused(nn.Sequential(nn.ReLU(), nn.MaxPool2d((2, 2)), dropout, Flatten())))
    assert [type(layer) for layer in found] == [PooledReLU, SpatialDropout, Flatten]
    assert found[0].dropout is None
    assert found[1] is dropout


def test_the_mode_is_that_of_the_network_that_is_used():
    model = nn.Sequential(OrderedDict(relu=nn.ReLU(), pool=nn.MaxPool2d(2), drop=Dropout(0.5)))
    network = fused(model)
    network.eval()
    assert not network.pool.dropout.training
    network.train()
    assert network.pool.dropout.training
