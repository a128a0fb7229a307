"""Ports of `learned_keras`: a right one, and ones whose gradient goes wrong in front of images."""

from functools import partial

import torch
from small_nets import Net
from torch import nn

from torch_impl import Port, layers, losses, optim


def turned(before=lambda x: x, after=lambda x, y: y):
    def run(net, x):
        x = before(net.front(x))
        x = net.light(after(x, net.turn(x)))
        return net.head(net.behind(x).mean((2, 3)))

    net = Net(
        run,
        front=nn.Conv2d(3, 3, 1),
        behind=nn.Conv2d(3, 4, 3),
        turn=layers.RandomRotation(0.2),
        light=layers.RandomContrast(0.4, value_range=(-9, 9)),
        head=nn.Linear(4, 2),
    )
    return Port(net, losses.MeanSquaredError(), optim.SGD(net.parameters(), learning_rate=0.1))


turned__cut = partial(turned, before=torch.Tensor.detach)
turned__half = partial(turned, before=lambda x: 0.5 * x + (0.5 * x).detach())
# The gradient is not moved by the inverse map.
turned__straight = partial(turned, after=lambda x, y: x + (y - x).detach())
