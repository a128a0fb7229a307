"""Residual convolutions over a spectrum, with `padding="same"`.

The mistake: the relu comes before the shortcut is added, and not after it.
"""

import torch.nn.functional as F
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class ResBlock(nn.Module):
    def __init__(self, given, made, convs, relu_first):
        super().__init__()
        self.relu_first = relu_first
        self.skip = nn.Conv1d(given, made, 1)
        self.convs = nn.ModuleList(
            nn.Conv1d(given if i == 0 else made, made, 3, padding="same") for i in range(convs)
        )

    def forward(self, x):
        s = self.skip(x)
        for conv in self.convs[:-1]:
            x = F.relu(conv(x))
        x = self.convs[-1](x)
        x = F.relu(x) + s if self.relu_first else F.relu(x + s)
        return F.max_pool1d(x, 2)


class SpeakerNet(nn.Module):
    def __init__(self, relu_first=False):
        super().__init__()
        self.blocks = nn.Sequential(
            ResBlock(1, 4, 2, relu_first),
            ResBlock(4, 6, 2, relu_first),
            ResBlock(6, 8, 3, relu_first),
            nn.AvgPool1d(3),
        )
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(16, 10), nn.ReLU(), nn.Linear(10, 7), nn.ReLU(), nn.Linear(7, 5)
        )

    def forward(self, x):
        return self.mlp(self.blocks(x))


def port(net):
    keras_init(net)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(net.parameters()),
        metrics=["accuracy"],
    )


def right():
    return port(SpeakerNet())


def wrong():
    return port(SpeakerNet(relu_first=True))
