"""Its ports: a right one, and one whose weights of the losses are exchanged."""

from functools import partial

import torch
from torch import nn

from torch_impl import Port


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for name, size in {"h": (4, 16), "of_size": (16, 1), "of_kind": (16, 1)}.items():
            layer = nn.Linear(*size)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.add_module(name, layer)

    def forward(self, x):
        h = self.h(x)
        return {"size": self.of_size(h), "kind": self.of_kind(h)}


def build(kind=1.0, size=0.25):
    net = Net()
    return Port(
        net,
        loss={"kind": nn.BCEWithLogitsLoss(), "size": nn.MSELoss()},
        loss_weights={"kind": kind, "size": size},
        optimizer=torch.optim.SGD(net.parameters(), lr=0.2),
    )


exchanged = partial(build, kind=0.25, size=1.0)


class Misnamed(Net):
    def forward(self, x):
        found = super().forward(x)
        return {"size": found["size"], "sort": found["kind"]}


def misnamed():
    net = Misnamed()
    losses = {"kind": nn.BCEWithLogitsLoss(), "size": nn.MSELoss()}
    return Port(net, loss=losses, optimizer=torch.optim.SGD(net.parameters(), lr=0.2))
