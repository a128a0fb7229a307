"""Ports of `learned_keras`: a right one, and ones whose gradient goes wrong in front of images."""

import torch
from torch import nn

from torch_impl import Port, layers, losses, optim


def turned(before=lambda x: x, after=lambda x, y: y):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.front, self.behind = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 3)
            self.turn = layers.RandomRotation(0.2)
            self.light = layers.RandomContrast(0.4, value_range=(-9, 9))
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            x = before(self.front(x))
            x = self.light(after(x, self.turn(x)))
            return self.head(self.behind(x).mean((2, 3)))

    net = Net()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.1)
    return Port(net, losses.MeanSquaredError(), optimizer)


def turned__cut():
    return turned(before=torch.Tensor.detach)


def turned__half():
    return turned(before=lambda x: 0.5 * x + (0.5 * x).detach())


def turned__straight():
    """The gradient is not moved by the inverse map."""
    return turned(after=lambda x, y: x + (y - x).detach())
