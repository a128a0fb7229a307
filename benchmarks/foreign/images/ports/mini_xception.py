"""A small Xception for two classes.

Mistake: `MaxPool2d(3, 2, padding=1)`, which pads both sides, for Keras's pool with padding "same".
"""

import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port, metrics
from torch_impl.layers import BatchNormalization
from torch_impl.optim import Adam


def same(size, kernel, stride):
    """Padding before and behind an axis, as TensorFlow divides it."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x, kernel, stride, value=0.0):
    height, width = x.shape[-2:]
    return F.pad(x, (*same(width, kernel, stride), *same(height, kernel, stride)), value=value)


class SepConv(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.depthwise = nn.Conv2d(cin, cin, 3, padding=1, groups=cin, bias=False)
        self.pointwise = nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


class Block(nn.Module):
    def __init__(self, cin, cout, symmetric):
        super().__init__()
        self.sep1, self.norm1 = SepConv(cin, cout), BatchNormalization(cout)
        self.sep2, self.norm2 = SepConv(cout, cout), BatchNormalization(cout)
        self.shortcut = nn.Conv2d(cin, cout, 1, stride=2)
        self.symmetric = symmetric

    def forward(self, x):
        y = self.norm1(self.sep1(F.relu(x)))
        y = self.norm2(self.sep2(F.relu(y)))
        if self.symmetric:
            y = F.max_pool2d(y, 3, 2, padding=1)
        else:
            y = F.max_pool2d(pad_same(y, 3, 2, float("-inf")), 3, 2)
        return y + self.shortcut(x)


class MiniXception(nn.Module):
    def __init__(self, symmetric=False):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2)
        self.stem_norm = BatchNormalization(6)
        self.blocks = nn.Sequential(Block(6, 8, symmetric), Block(8, 12, symmetric))
        self.last, self.last_norm = SepConv(12, 16), BatchNormalization(16)
        self.drop = nn.Dropout(0.25)
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        x = self.stem(pad_same(x / 255.0, 3, 2))
        x = self.blocks(F.relu(self.stem_norm(x)))
        x = F.relu(self.last_norm(self.last(x)))
        return self.head(self.drop(x.mean(dim=(2, 3))))


def build(mistake=False):
    net = keras_init(MiniXception(symmetric=mistake))
    return Port(
        net,
        loss=nn.BCEWithLogitsLoss(),
        optimizer=Adam(net.parameters(), learning_rate=3e-4),
        metrics=[metrics.BinaryAccuracy(name="acc")],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
