"""A graph convolution as a product with a normalised adjacency, and an LSTM with relu by hand.

The mistake: the neighbours are added up instead of averaged.
"""

import torch
from torch import nn

from torch_impl import Port, optim

EDGES = [
    (0, 0), (0, 1), (0, 4), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2),
    (3, 3), (3, 4), (4, 0), (4, 3), (4, 4),
]  # fmt: skip


class ReluLSTM(nn.Module):
    """torch's LSTM has only tanh, so the cell is written out. Gates: i, f, g, o."""

    def __init__(self, features, units):
        super().__init__()
        self.units = units
        self.x2h = nn.Linear(features, 4 * units)
        self.h2h = nn.Linear(units, 4 * units, bias=False)
        nn.init.xavier_uniform_(self.x2h.weight)
        nn.init.orthogonal_(self.h2h.weight)
        with torch.no_grad():
            self.x2h.bias.zero_()
            self.x2h.bias[units : 2 * units] = 1.0

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], self.units)
        for step in x.unbind(1):
            i, f, g, o = (self.x2h(step) + self.h2h(h)).chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.relu()
            h = o.sigmoid() * c.relu()
        return h


class TrafficNet(nn.Module):
    def __init__(self, average=True):
        super().__init__()
        adjacency = torch.zeros(5, 5)
        for node, neighbour in EDGES:
            adjacency[node, neighbour] = 1.0
        if average:
            adjacency /= adjacency.sum(1, keepdim=True)
        self.register_buffer("adjacency", adjacency)
        self.theta = nn.Parameter(torch.empty(1, 4))
        nn.init.xavier_uniform_(self.theta)
        self.lstm = ReluLSTM(8, 7)
        self.head = nn.Linear(7, 3)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):  # (N, T, nodes, 1)
        x = x.permute(2, 0, 1, 3)
        around = torch.einsum("vw,wntf->vntf", self.adjacency, x)
        h = torch.cat([x @ self.theta, around @ self.theta], dim=-1)
        nodes, batch, steps, features = h.shape
        h = self.lstm(h.reshape(nodes * batch, steps, features))
        return self.head(h).reshape(nodes, batch, -1).permute(1, 2, 0)


def port(net):
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.RMSprop(net.parameters(), learning_rate=0.0002),
        feed=torch.as_tensor,
    )


def right():
    return port(TrafficNet())


def wrong():
    return port(TrafficNet(average=False))
