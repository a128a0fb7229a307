"""Denoising autoencoder. Mistake: `padding=1, output_padding=1`, which crops the other side."""

import torch
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


class Enlarge(nn.Module):
    """Keras's "same" for a window of 3 and a stride of 2: the last row and column are cut off."""

    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.ConvTranspose2d(cin, cout, 3, stride=2)

    def forward(self, x):
        return self.conv(x)[:, :, :-1, :-1]


def build(mistake=False):
    def enlarge(cin, cout):
        if mistake:
            return nn.ConvTranspose2d(cin, cout, 3, stride=2, padding=1, output_padding=1)
        return Enlarge(cin, cout)

    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        enlarge(8, 8),
        nn.ReLU(),
        enlarge(8, 6),
        nn.ReLU(),
        nn.Conv2d(6, 1, 3, padding=1),
    )
    keras_init(net)
    return Port(
        net,
        loss=nn.BCEWithLogitsLoss(),
        optimizer=Adam(net.parameters()),
        target=lambda y: torch.as_tensor(y).movedim(-1, 1),
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
