"""ConvMixer. Mistake: the residual is added before GELU and normalisation, not behind them."""

from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization
from torch_impl.optim import AdamW


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x) + x


def block(dim, kernel, early):
    depthwise = nn.Conv2d(dim, dim, kernel, padding="same", groups=dim)
    behind = [nn.GELU(), BatchNormalization(dim)]
    if early:
        mixing = [Residual(depthwise), *behind]
    else:
        mixing = [Residual(nn.Sequential(depthwise, *behind))]
    return nn.Sequential(*mixing, nn.Conv2d(dim, dim, 1), nn.GELU(), BatchNormalization(dim))


class ConvMixer(nn.Module):
    def __init__(self, early=False, dim=8, depth=3, patch=2, kernel=5, classes=6):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, dim, patch, stride=patch), nn.GELU(), BatchNormalization(dim)
        )
        self.blocks = nn.Sequential(*(block(dim, kernel, early) for _ in range(depth)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.blocks(self.stem(x * (1 / 255)))
        return self.head(self.pool(x).flatten(1))


def build(mistake=False):
    net = keras_init(ConvMixer(early=mistake))
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=AdamW(net.parameters(), learning_rate=1e-3, weight_decay=1e-4),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
