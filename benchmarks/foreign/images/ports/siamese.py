"""A Siamese network. Mistake: in the contrastive loss, 1 means "alike" instead of "different"."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization
from torch_impl.optim import RMSprop


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_in = BatchNormalization(1)
        self.conv1 = nn.Conv2d(1, 4, 5)
        self.conv2 = nn.Conv2d(4, 8, 3)
        self.norm = BatchNormalization(8 * 2 * 1)
        self.fc = nn.Linear(8 * 2 * 1, 6)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(self.norm_in(x))), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        return torch.tanh(self.fc(self.norm(x.flatten(1))))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = Tower()
        self.norm = BatchNormalization(1)
        self.fc = nn.Linear(1, 1)

    def forward(self, first, second):
        difference = self.tower(first) - self.tower(second)
        distance = difference.pow(2).sum(1, keepdim=True).clamp(min=1e-7).sqrt()
        return self.fc(self.norm(distance)).sigmoid()


def contrastive(different):
    def loss(output, target):
        target = target.view_as(output).to(output.dtype)
        if not different:
            target = 1 - target
        apart = F.relu(1 - output)
        return ((1 - target) * output**2 + target * apart**2).mean()

    return loss


def build(mistake=False):
    net = keras_init(Siamese())
    return Port(
        net,
        loss=contrastive(different=not mistake),
        optimizer=RMSprop(net.parameters()),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
