"""Siamese network with a contrastive loss."""

import torch
from torch import nn

from torch_impl import Port

from ..compat import BatchNorm1d, BatchNorm2d, KerasRMSprop, glorot_


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = BatchNorm2d(1)
        self.conv1 = nn.Conv2d(1, 4, 5)
        self.pool = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.norm2 = BatchNorm1d(2 * 2 * 6)
        self.fc = nn.Linear(2 * 2 * 6, 6)

    def forward(self, x):
        x = self.pool(torch.tanh(self.conv1(self.norm1(x))))
        x = torch.tanh(self.conv2(x)).flatten(1)
        return torch.tanh(self.fc(self.norm2(x)))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = Embedding()
        self.norm = BatchNorm1d(1)
        self.out = nn.Linear(1, 1)

    def forward(self, left, right):
        x, y = self.embedding(left), self.embedding(right)
        distance = (x - y).square().sum(1, keepdim=True).clamp(min=1e-7).sqrt()
        return torch.sigmoid(self.out(self.norm(distance)))


def contrastive_loss(outputs, targets, margin=1.0):
    targets = targets.to(outputs.dtype).view_as(outputs)
    apart = (margin - outputs).clamp(min=0).square()
    return ((1 - targets) * outputs.square() + targets * apart).mean()


def build():
    net = glorot_(Siamese())
    return Port(net, loss=contrastive_loss, optimizer=KerasRMSprop(net.parameters(), lr=1e-3))
