"""Ports of casts_keras.py that cast as it does."""

from functools import partial

import torch
from torch import nn

from torch_impl import Port


class Norm(nn.Module):
    def __init__(self, epsilon):
        super().__init__()
        self.scale, self.epsilon = nn.Parameter(torch.ones(8)), epsilon

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.epsilon)
        return y.to(x.dtype) * self.scale


def port(epsilon):
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), Norm(epsilon), nn.Linear(8, 3))
    for part in (net[0], net[3]):
        nn.init.xavier_uniform_(part.weight)
        nn.init.zeros_(part.bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


right = partial(port, 1e-6)


wrong = partial(port, 1e-3)
