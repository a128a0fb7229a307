"""A U-Net of separable convolutions. Mistake: torch's RMSprop with the constants it has."""

import torch
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization, Conv2D, MaxPooling2D
from torch_impl.optim import RMSprop


def separable(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cin, 3, padding=1, groups=cin, bias=False), nn.Conv2d(cin, cout, 1)
    )


class Down(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            separable(cin, cout),
            BatchNormalization(cout),
            nn.ReLU(),
            separable(cout, cout),
            BatchNormalization(cout),
            MaxPooling2D(3, strides=2, padding="same"),
        )
        self.skip = nn.Conv2d(cin, cout, 1, stride=2)

    def forward(self, x):
        return self.body(x) + self.skip(x)


class Up(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(cin, cout, 3, padding=1),
            BatchNormalization(cout),
            nn.ReLU(),
            nn.ConvTranspose2d(cout, cout, 3, padding=1),
            BatchNormalization(cout),
            nn.Upsample(scale_factor=2),
        )
        # a 1x1 convolution and the enlargement by nearest neighbours commute
        self.skip = nn.Sequential(nn.Conv2d(cin, cout, 1), nn.Upsample(scale_factor=2))

    def forward(self, x):
        return self.body(x) + self.skip(x)


class UNet(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stem = nn.Sequential(
            Conv2D(3, 6, 3, strides=2, padding="same"), BatchNormalization(6), nn.ReLU()
        )
        self.down = nn.Sequential(Down(6, 8), Down(8, 10))
        self.up = nn.Sequential(Up(10, 10), Up(10, 8), Up(8, 6))
        self.classify = nn.Conv2d(6, classes, 3, padding=1)

    def forward(self, x):
        return self.classify(self.up(self.down(self.stem(x))))


def build(mistake=False):
    net = keras_init(UNet())
    if mistake:
        optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
    else:
        optimizer = RMSprop(net.parameters(), learning_rate=1e-3)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer, target=label_map)


def label_map(y):
    """Labels (N, H, W, 1) or (N, H, W) as CrossEntropyLoss takes them."""
    y = torch.as_tensor(y).long()
    return y.squeeze(-1) if y.dim() == 4 else y


def right():
    return build()


def wrong():
    return build(mistake=True)
