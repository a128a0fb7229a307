"""A residual network behind random flips and rotations, with L2, SGD and a step schedule."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import BatchNorm2d, KerasSGD, glorot_

CLASSES, L2 = 5, 1e-3


class RandomFlip(nn.Module):
    def forward(self, x):
        if not self.training:
            return x
        turned = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        return torch.where(turned, x.flip(3), x)


class RandomRotation(nn.Module):
    """Turns square images about their middle; what is outside is mirrored."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        if not self.training:
            return x
        angle = torch.empty(len(x), device=x.device).uniform_(-self.factor, self.factor)
        return rotate(x, 2 * math.pi * angle.to(x.dtype))


def rotate(x, angle):
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


class Conv(nn.Module):
    """Convolution with 'same' padding, and normalisation."""

    def __init__(self, channels, filters, kernel_size, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, kernel_size, stride=stride, bias=False)
        self.norm = BatchNorm2d(filters)

    def forward(self, x):
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        side = x.shape[-1]
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        x = F.pad(x, (total // 2, total - total // 2) * 2)
        return self.norm(self.conv(x))


class ResidualBlock(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = Conv(channels, filters, 3, stride)
        self.conv2 = Conv(filters, filters, 3)
        same = stride == 1 and channels == filters
        self.shortcut = nn.Identity() if same else Conv(channels, filters, 1, stride)

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.augment = nn.Sequential(RandomFlip(), RandomRotation(0.1))
        self.stem = Conv(3, 6, 3)
        self.block1 = ResidualBlock(6, 6, stride=1)
        self.block2 = ResidualBlock(6, 8, stride=2)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.relu(self.stem(self.augment(x)))
        x = self.block2(self.block1(x))
        return self.fc(x.mean((2, 3)))

    def penalty(self):
        return L2 * sum(
            layer.weight.square().sum()
            for layer in self.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)
        )


def build():
    net = glorot_(ResNet())
    optimizer = KerasSGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        added_loss=lambda net: net.penalty(),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 1.0 if epoch < 3 else 0.1
        ),
    )
