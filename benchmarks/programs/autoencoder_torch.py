"""The convolutional autoencoder in PyTorch; images and targets are (N, C, H, W)."""

import torch
from torch import nn

from torch_impl import Port
from torch_impl.layers import Conv2D, Conv2DTranspose
from torch_impl.metrics import CosineSimilarity
from torch_impl.optim import Adam
from torch_impl.schedule import LearningRateScheduler


def channels_first(images):
    return torch.as_tensor(images).movedim(-1, 1)


def schedule(epoch, rate):
    return rate if epoch < 8 else rate * 0.8


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            Conv2D(3, 8, 3, strides=2, padding="same"),
            nn.ReLU(),
            Conv2D(8, 6, 3, strides=2, padding="same"),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            Conv2DTranspose(6, 8, 3, strides=2, padding="same"),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(8, 3, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


def initialise(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def build():
    net = Autoencoder()
    initialise(net)
    optimizer = Adam(net.parameters(), learning_rate=0.005)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optimizer,
        scheduler=LearningRateScheduler(optimizer, schedule),
        feed=channels_first,
        target=channels_first,
        metrics=["mae", CosineSimilarity(axis=1)],  # of the colour of each pixel
    )
