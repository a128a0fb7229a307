"""A small U-Net with cross entropy and soft Dice."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

from ..compat import BatchNorm2d, glorot_

CLASSES = 3


def he_normal_(weight):
    std = math.sqrt(2 / weight[0].numel()) / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


class DoubleConv(nn.Sequential):
    def __init__(self, channels, filters):
        super().__init__(
            nn.Conv2d(channels, filters, 3, padding=1, bias=False),
            BatchNorm2d(filters),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            BatchNorm2d(filters),
            nn.ReLU(),
        )

    def reset_parameters(self):
        he_normal_(self[0].weight)
        he_normal_(self[3].weight)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = DoubleConv(2, 4)
        self.down2 = DoubleConv(4, 6)
        self.bottom = DoubleConv(6, 8)
        self.dropout = nn.Dropout(0.3)
        self.up2 = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.conv2 = DoubleConv(12, 6)
        self.up1 = nn.ConvTranspose2d(6, 4, 3, stride=2)
        self.conv1 = DoubleConv(8, 4)
        self.out = nn.Conv2d(4, CLASSES, 1)
        glorot_(self)
        for block in (self.down1, self.down2, self.bottom, self.conv2, self.conv1):
            block.reset_parameters()

    def forward(self, x):
        skip1 = self.down1(x)
        skip2 = self.down2(F.max_pool2d(skip1, 2))
        x = self.dropout(self.bottom(F.max_pool2d(skip2, 2)))
        x = self.conv2(torch.cat([self.up2(x), skip2], dim=1))
        x = self.up1(x)[:, :, :-1, :-1]  # 'same' leaves out the last row and column
        x = self.conv1(torch.cat([x, skip1], dim=1))
        return self.out(x)


def dice_ce(logits, labels):
    labels = labels.long()
    ce = F.cross_entropy(logits, labels)
    truth = F.one_hot(labels, CLASSES).movedim(-1, 1).to(logits.dtype)
    probabilities = logits.softmax(1)
    intersection = (truth * probabilities).sum((2, 3))
    total = truth.sum((2, 3)) + probabilities.sum((2, 3))
    return ce + 1 - ((2 * intersection + 1) / (total + 1)).mean()


def build():
    net = UNet()
    return Port(net, loss=dice_ce, optimizer=optim.Adam(net.parameters(), learning_rate=1e-3))
