"""Ports of `lasts_keras.py`, which have a loss: NAME is right, NAME__WAY is not."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port, layers, losses, optim


class _Net(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.dense, self.last = nn.Linear(6, 3), last
        nn.init.xavier_uniform_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, x):
        return self.last(self.dense(x))


def _port(last, loss=losses.MeanSquaredError):
    net = _Net(last)
    return Port(net, loss(), optim.Adam(net.parameters(), learning_rate=1e-3))


def _tanh(x):
    return layers.activations.gelu(x, approximate=True)


def gelu():
    return _port(_tanh)


def gelu__loss():
    return _port(_tanh, losses.MeanAbsoluteError)


def gelu__exact():
    return _port(layers.activations.gelu)


def slope():
    return _port(lambda x: F.leaky_relu(x, 0.1))


def slope__loss():
    return _port(lambda x: F.leaky_relu(x, 0.1), losses.MeanAbsoluteError)


def silu():
    return _port(lambda x: x * torch.sigmoid(1.7 * x))


def silu__loss():
    return _port(lambda x: x * torch.sigmoid(1.7 * x), losses.MeanAbsoluteError)


def exact():
    return _port(layers.activations.gelu)


def exact__loss():
    return _port(layers.activations.gelu, losses.MeanAbsoluteError)
