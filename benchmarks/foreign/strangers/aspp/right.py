"""Segmentation with dilated convolutions (DeepLab); class 0 is 'not labelled' and does not count."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import BatchNorm2d, KerasAdam, glorot_

CLASSES = 4


class ConvBlock(nn.Sequential):
    def __init__(self, channels, filters, kernel_size=3, dilation=1):
        padding = dilation * (kernel_size // 2)
        super().__init__(
            nn.Conv2d(
                channels, filters, kernel_size, padding=padding, dilation=dilation, bias=False
            ),
            BatchNorm2d(filters),
            nn.ReLU(),
        )

    def reset_parameters(self):
        std = math.sqrt(2 / self[0].weight[0].numel()) / 0.87962566103423978
        nn.init.trunc_normal_(self[0].weight, std=std, a=-2 * std, b=2 * std)


class ASPP(nn.Module):
    def __init__(self):
        super().__init__()
        self.pooled = ConvBlock(6, 4, 1)
        self.branches = nn.ModuleList(
            [ConvBlock(6, 4, 1), ConvBlock(6, 4, dilation=2), ConvBlock(6, 4, dilation=3)]
        )
        self.project = ConvBlock(16, 6, 1)

    def forward(self, x):
        pooled = self.pooled(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat([pooled, *(branch(x) for branch in self.branches)], dim=1))


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 5, stride=2)
        self.aspp = ASPP()
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Conv2d(6, CLASSES, 1)
        glorot_(self)
        for layer in self.modules():
            if isinstance(layer, ConvBlock):
                layer.reset_parameters()

    def forward(self, x):
        x = F.relu(self.stem(F.pad(x, (1, 2, 1, 2))))
        x = self.dropout(self.aspp(x))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(x)


def build():
    net = Segmenter()
    return Port(
        net,
        loss=lambda logits, labels: F.cross_entropy(logits, labels.long(), ignore_index=0),
        optimizer=KerasAdam(net.parameters(), lr=1e-3, amsgrad=True),
    )
