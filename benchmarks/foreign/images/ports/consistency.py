"""Consistency training. Mistake: the loss of the noisy images has no weight."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port, losses
from torch_impl.layers import BatchNormalization, Conv2D

TEMPERATURE = 10.0


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = Conv2D(3, 6, 3, strides=2, padding="same", use_bias=False)
        self.bn1, self.bn2 = BatchNormalization(6), BatchNormalization(6)
        self.conv = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.bn1(self.stem(x)))
        x = F.relu(x + self.bn2(self.conv(x)))
        return self.fc(x.mean(dim=[2, 3]))


class Consistency(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = Network()

    def forward(self, clean, noisy):
        # Keras calls the deeper branch first, and the moving statistics depend on the order
        student = (self.network(noisy) / TEMPERATURE).softmax(dim=1)
        return {"labels": self.network(clean), "student": student}


def build(mistake=False):
    net = keras_init(Consistency())
    return Port(
        net,
        loss={
            "labels": lambda output, y: F.cross_entropy(output, y.flatten().long()),
            "student": losses.KLDivergence(),
        },
        loss_weights={"labels": 1.0, "student": 1.0 if mistake else TEMPERATURE},
        metrics={"labels": ["accuracy"]},
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True),
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
