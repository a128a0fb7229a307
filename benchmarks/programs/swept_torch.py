"""The price in PyTorch: the right port, and three with a mistake that only many seeds show."""

import dataclasses

import torch
from torch import nn

from torch_impl import Port


def port(rate=0.5, *, starts_as_keras=True):
    net = nn.Sequential(
        nn.Linear(12, 32),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Linear(32, 16),
        nn.ReLU(),
        nn.Linear(16, 1),
    )
    for layer in net:
        if isinstance(layer, nn.Linear) and starts_as_keras:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer)


def build():
    return port()


def torch_initializer():
    """The weights are drawn as torch draws them by default."""
    return port(starts_as_keras=False)


def half_dropout():
    """The rate of the dropout is half of Keras's."""
    return port(0.25)


def not_shuffled():
    """The loop takes the samples in their order, as a DataLoader does by default."""
    found = port()

    def train_epoch(batches):
        parts = [torch.cat(part) for part in zip(*batches, strict=True)]
        order = parts[1][:, 0].argsort()
        total = 0.0
        for rows in order.split(16):
            x, y = (part[rows] for part in parts)
            found.optimizer.zero_grad()
            loss = found.loss(found.module(x), y)
            loss.backward()
            found.optimizer.step()
            total += loss.item() * len(rows)
        return {"loss": total / len(order)}

    return dataclasses.replace(found, train_epoch=train_epoch)
