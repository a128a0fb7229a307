"""Ports of `rows_keras`: right ones in two ways of writing, and wrong ones."""

import torch
from torch import nn

from torch_impl import Port, layers, losses, optim


def _port(way, dropout=0.3, recurrent_dropout=0.2):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory = layers.LSTM(6, 4, dropout=dropout, recurrent_dropout=recurrent_dropout)
            self.head = nn.Linear(12, 2)

        def forward(self, x):
            return self.head(way(self.memory, x).flatten(1))

    net = Net()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.1)
    return Port(net, losses.MeanSquaredError(), optimizer)


def _looped(memory, x):
    return torch.stack([memory(row) for row in x.unbind(1)], dim=1)


def _folded(memory, x):
    return memory(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def rows__looped():
    return _port(_looped)


def rows__folded():
    return _port(_folded)


def rows__other_rate():
    return _port(_looped, dropout=0.2)


def rows__without_states():
    return _port(_looped, recurrent_dropout=0.0)


def rows__backwards():
    return _port(lambda memory, x: _looped(memory, x.flip(1)))
