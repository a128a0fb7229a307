"""DeepLabV3+. Mistake: images are enlarged with `align_corners=True`."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization, Conv2D
from torch_impl.optim import Adam


class ConvBNReLU(nn.Sequential):
    def __init__(self, cin, cout=8, kernel=3, dilation=1, bias=False):
        padding = dilation * (kernel - 1) // 2
        conv = nn.Conv2d(cin, cout, kernel, padding=padding, dilation=dilation, bias=bias)
        he_normal(conv.weight)
        if bias:
            nn.init.zeros_(conv.bias)
        super().__init__(conv, BatchNormalization(cout), nn.ReLU())


def he_normal(weight):
    """Keras's: a normal distribution, cut at two sigma and widened again."""
    std = (2 / weight[0].numel()) ** 0.5 / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


class ASPP(nn.Module):
    def __init__(self, cin):
        super().__init__()
        self.pooled = ConvBNReLU(cin, kernel=1, bias=True)
        self.branches = nn.ModuleList(
            [ConvBNReLU(cin, kernel=1), ConvBNReLU(cin, dilation=2), ConvBNReLU(cin, dilation=3)]
        )
        self.project = ConvBNReLU(32, kernel=1)

    def forward(self, x):
        pooled = self.pooled(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat([pooled, *(branch(x) for branch in self.branches)], dim=1))


class DeepLab(nn.Module):
    def __init__(self, align=False, classes=4):
        super().__init__()
        self.low = keras_init(Conv2D(3, 6, 3, strides=2, padding="same"))
        self.high = keras_init(Conv2D(6, 8, 3, strides=2, padding="same"))
        self.aspp = ASPP(8)
        self.reduce = ConvBNReLU(6, 5, kernel=1)
        self.decode = nn.Sequential(ConvBNReLU(13), ConvBNReLU(8))
        self.classify = keras_init(nn.Conv2d(8, classes, 1))
        self.align = align

    def enlarge(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.align)

    def forward(self, x):
        low = self.low(x).relu()
        x = self.aspp(self.high(low).relu())
        x = self.decode(torch.cat([self.enlarge(x), self.reduce(low)], dim=1))
        return self.classify(self.enlarge(x))


def accuracy(output, target):
    """The share of right pixels of each image; channels are first in what the network returns."""
    return (output.argmax(dim=1) == target).to(output.dtype).mean(dim=(1, 2))


def build(mistake=False):
    net = DeepLab(align=mistake)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(net.parameters(), learning_rate=1e-3),
        target=lambda y: torch.as_tensor(y).long().reshape(-1, 24, 16),
        metrics=[accuracy],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
