"""A forest of soft trees; the features of each tree are chosen by index.

The mistake: the softmax of the leaves goes over the leaves, and not over the classes.
Others: the trees are added up; the branches of each node are exchanged.
"""

import numpy as np
import torch
from torch import nn

from torch_impl import Port, layers, optim


class Tree(nn.Module):
    def __init__(self, used, axis, right_first):
        super().__init__()
        self.axis, self.right_first = axis, right_first
        self.register_buffer("used", torch.as_tensor(used))
        self.split = nn.Linear(len(used), 8)
        self.leaves = nn.Parameter(0.05 * torch.randn(8, 3))
        nn.init.xavier_uniform_(self.split.weight)
        nn.init.zeros_(self.split.bias)

    def forward(self, x):
        left = self.split(x[:, self.used]).sigmoid()
        reach = x.new_ones(len(x), 1)
        for level in range(3):
            p = left[:, 2**level : 2 ** (level + 1)]
            if self.right_first:
                p = 1 - p
            reach = torch.stack([reach * p, reach * (1 - p)], dim=-1).flatten(1)
        return reach @ self.leaves.softmax(self.axis)


class Forest(nn.Module):
    def __init__(self, axis=-1, right_first=False, is_sum=False):
        super().__init__()
        self.is_sum = is_sum
        draw = np.random.default_rng(11)
        self.norm = layers.BatchNormalization(5)
        self.trees = nn.ModuleList(
            Tree(draw.choice(np.arange(5), 4, replace=False), axis, right_first) for _ in range(2)
        )

    def forward(self, x):
        x = self.norm(x)
        made = torch.stack([tree(x) for tree in self.trees])
        return made.sum(0) if self.is_sum else made.mean(0)


def nll(probabilities, labels):
    # The trees make probabilities, which Keras clips.
    logarithms = probabilities.clamp(1e-7, 1 - 1e-7).log()
    return nn.functional.cross_entropy(logarithms, labels.long().reshape(-1))


def port(net):
    return Port(
        net,
        loss=nll,
        optimizer=optim.Adam(net.parameters(), learning_rate=0.01),
        metrics=["sparse_categorical_accuracy"],
    )


def right():
    return port(Forest())


def wrong():
    return port(Forest(axis=0))


def wrong_sum():
    return port(Forest(is_sum=True))


def wrong_branches():
    return port(Forest(right_first=True))
