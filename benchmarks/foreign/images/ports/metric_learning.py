"""Metric learning. Mistake: similarities are multiplied by the temperature, not divided by it."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2)
        self.project = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.normalize(self.project(x.mean((-2, -1))), dim=-1)


class Similarity(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.embed = Embedder()
        self.factor = factor

    def forward(self, anchors, positives):  # channels last, as they come
        a = self.embed(anchors.permute(0, 3, 1, 2))
        n, count = positives.shape[:2]
        p = self.embed(positives.flatten(0, 1).permute(0, 3, 1, 2)).view(n, count, -1)
        return (p @ a[:, :, None]).squeeze(2) * self.factor


def build(mistake=False):
    net = keras_init(Similarity(factor=0.2 if mistake else 1 / 0.2))

    def feed(anchors, positives):
        return torch.from_numpy(anchors), torch.from_numpy(positives)

    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(net.parameters(), learning_rate=1e-3),
        feed=feed,
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
