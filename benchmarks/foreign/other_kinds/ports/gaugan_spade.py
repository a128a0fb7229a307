"""A generator with SPADE blocks.

The mistake: every image is normalised by itself, as nn.InstanceNorm2d does.
Others: the scale is 1 + gamma, as in SPADE's own code; gamma and beta have each other's place.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


def conv(given, made):
    return nn.Conv2d(given, made, 3, padding=1)


class SPADE(nn.Module):
    def __init__(self, channels, over, formula):
        super().__init__()
        self.over, self.formula = over, formula
        self.shared = nn.Sequential(conv(3, 6), nn.ReLU())
        self.gamma, self.beta = conv(6, channels), conv(6, channels)

    def forward(self, x, labels):
        # tf.image.resize takes the pixel at the centre, as "nearest-exact" does.
        h = self.shared(F.interpolate(labels, x.shape[-2:], mode="nearest-exact"))
        var, mean = torch.var_mean(x, dim=self.over, correction=0, keepdim=True)
        return self.formula((x - mean) / torch.sqrt(var + 1e-5), self.gamma(h), self.beta(h))


def scaled(x, gamma, beta):
    return gamma * x + beta


def scaled_by_one_more(x, gamma, beta):
    return (1 + gamma) * x + beta


def scaled_by_beta(x, gamma, beta):
    return beta * x + gamma


class SPADEBlock(nn.Module):
    def __init__(self, given, made, *how):
        super().__init__()
        self.norm_a, self.conv_a = SPADE(given, *how), conv(given, made)
        self.norm_b, self.conv_b = SPADE(made, *how), conv(made, made)
        self.norm_s = SPADE(given, *how) if given != made else None
        self.conv_s = conv(given, made) if given != made else None

    def forward(self, x, labels):
        h = self.conv_a(F.leaky_relu(self.norm_a(x, labels), 0.2))
        h = self.conv_b(F.leaky_relu(self.norm_b(h, labels), 0.2))
        if self.norm_s is not None:
            x = self.conv_s(F.leaky_relu(self.norm_s(x, labels), 0.2))
        return x + h


class Generator(nn.Module):
    def __init__(self, over=(0, 2, 3), formula=scaled):
        super().__init__()
        self.fc = nn.Linear(5, 24)
        self.block_1 = SPADEBlock(4, 4, over, formula)
        self.block_2 = SPADEBlock(4, 3, over, formula)
        self.to_rgb = nn.Conv2d(3, 3, 4)

    def forward(self, latent, mask):
        x = self.fc(latent).view(-1, 4, 3, 2)
        x = F.interpolate(self.block_1(x, mask), scale_factor=2)
        x = F.interpolate(self.block_2(x, mask), scale_factor=2)
        # An even kernel: one pixel in front, two behind.
        return self.to_rgb(F.pad(F.leaky_relu(x, 0.2), (1, 2, 1, 2))).tanh()


def port(net):
    keras_init(net)
    return Port(
        net,
        loss=nn.L1Loss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-4, beta_1=0.0),
        target=lambda y: torch.as_tensor(y).movedim(-1, 1),
    )


def right():
    return port(Generator())


def wrong():
    return port(Generator(over=(2, 3)))


def wrong_scale():
    return port(Generator(formula=scaled_by_one_more))


def wrong_roles():
    return port(Generator(formula=scaled_by_beta))
