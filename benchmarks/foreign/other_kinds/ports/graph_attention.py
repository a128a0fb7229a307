"""Graph attention with a dense adjacency: a softmax over the neighbours of every node.

The mistake: the scores are normalised over the nodes that look at a neighbour (the other axis).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port

EDGES = [(0, 1), (1, 0), (1, 2), (2, 5), (5, 2), (3, 4), (4, 6), (6, 3), (6, 0)]


class GATHead(nn.Module):
    def __init__(self, given, units, axis):
        super().__init__()
        self.axis = axis
        self.lin = nn.Linear(given, units, bias=False)
        self.a = nn.Linear(2 * units, 1, bias=False)
        nn.init.xavier_uniform_(self.lin.weight)
        nn.init.xavier_uniform_(self.a.weight)

    def forward(self, x, adjacency):
        h = self.lin(x)
        n = len(h)
        pairs = torch.cat(
            [h[:, None].expand(n, n, -1), h[None].expand(n, n, -1)], dim=-1
        )  # (from, to, 2 * units)
        scores = F.leaky_relu(self.a(pairs).squeeze(-1), 0.2).clamp(-2, 2).exp()
        scores = scores.masked_fill(~adjacency, 0.0)
        return (scores / scores.sum(self.axis, keepdim=True)) @ h


class GAT(nn.Module):
    def __init__(self, axis=1):
        super().__init__()
        draw = np.random.default_rng(5)
        nodes = torch.from_numpy(draw.normal(size=(7, 5)).astype("float32"))
        adjacency = torch.eye(7, dtype=torch.bool)
        adjacency[tuple(torch.tensor(EDGES).T)] = True
        self.register_buffer("nodes", nodes)
        self.register_buffer("adjacency", adjacency)
        self.embed = nn.Linear(5, 8)
        self.heads = nn.ModuleList(GATHead(8, 4, axis) for _ in range(2))
        self.classify = nn.Linear(8, 3)
        for layer in (self.embed, self.classify):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, index):
        x = F.relu(self.embed(self.nodes))
        x = x + F.relu(torch.cat([head(x, self.adjacency) for head in self.heads], dim=-1))
        return self.classify(x)[index.long()]


def port(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def right():
    return port(GAT())


def wrong():
    return port(GAT(axis=0))
