"""A convolutional autoencoder on series, with Keras's padding 'same' by hand.

Stride 2 and kernel 7 need 5 zeros: 2 in front and 3 behind. The transposed layers crop likewise.
The mistake: `padding=3` in the strided convolutions, which puts 3 zeros in front.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class Down(nn.Module):
    def __init__(self, given, made, symmetric):
        super().__init__()
        self.symmetric = symmetric
        self.conv = nn.Conv1d(given, made, 7, stride=2, padding=3 if symmetric else 0)

    def forward(self, x):
        return F.relu(self.conv(x if self.symmetric else F.pad(x, (2, 3))))


class Up(nn.Module):
    """Makes twice the steps: cut are the 2 first and the 3 last of 2 * n + 5."""

    def __init__(self, given, made):
        super().__init__()
        self.deconv = nn.ConvTranspose1d(given, made, 7, stride=2)

    def forward(self, x):
        return F.relu(self.deconv(x)[..., 2:-3])


class Autoencoder(nn.Module):
    def __init__(self, symmetric=False):
        super().__init__()
        self.encode = nn.Sequential(Down(1, 8, symmetric), nn.Dropout(0.2), Down(8, 4, symmetric))
        self.decode = nn.Sequential(Up(4, 4), nn.Dropout(0.2), Up(4, 8))
        self.out = nn.ConvTranspose1d(8, 1, 7, padding=3)

    def forward(self, x):  # (N, 1, T)
        return self.out(self.decode(self.encode(x)))


def port(net):
    keras_init(net)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=0.001),
        feed=lambda x: torch.as_tensor(x).movedim(-1, 1),
        target=lambda y: torch.as_tensor(y).movedim(-1, 1),
    )


def right():
    return port(Autoencoder())


def wrong():
    return port(Autoencoder(symmetric=True))
