"""A graph convolution network on a fixed graph: a class for each node, with weights of nodes."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

from .graph import normalized_adjacency

FEATURES, CLASSES, L2 = 6, 3, 5e-3


class GraphConvolution(nn.Module):
    def __init__(self, features, units):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(features, units))
        self.bias = nn.Parameter(torch.zeros(units))
        nn.init.xavier_uniform_(self.kernel)

    def forward(self, x, adjacency):
        return adjacency @ (x @ self.kernel) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer(
            "adjacency", torch.from_numpy(normalized_adjacency()), persistent=False
        )
        self.conv1 = GraphConvolution(FEATURES, 12)
        self.conv2 = GraphConvolution(12, 8)
        self.norm = nn.LayerNorm(8, eps=1e-3)
        self.conv3 = GraphConvolution(8, CLASSES)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        x = F.relu(self.conv1(self.dropout(x), self.adjacency))
        x = F.relu(self.conv2(self.dropout(x), self.adjacency))
        return self.conv3(self.norm(x), self.adjacency)


def node_loss(logits, labels, sample_weight):
    each = F.cross_entropy(logits.flatten(0, 1), labels.long().flatten(), reduction="none")
    return (each * sample_weight.flatten()).mean()


def build():
    net = GCN()
    return Port(
        net,
        loss=node_loss,
        added_loss=lambda net: L2 * net.conv1.kernel.square().sum(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-2),
    )
