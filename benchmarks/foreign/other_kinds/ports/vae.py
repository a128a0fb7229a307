"""The twin of a variational autoencoder, with its sampling and its divergence in torch.

The mistake: the noise is scaled by exp(log variance), without the half.
"""

import torch
from blocks_by_hand import config_of
from torch import nn

from torch_impl import Port, from_keras_config, losses, optim


class Sampling(nn.Module):
    def __init__(self, half):
        super().__init__()
        self.half = half

    def forward(self, inputs):
        mean, log_var = inputs
        return mean + torch.exp(self.half * log_var) * torch.randn_like(mean)


class Divergence(nn.Module):
    def forward(self, inputs):
        mean, log_var = inputs
        self.value = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1).mean()
        return inputs


def port(half):
    divergence = Divergence()
    twin = from_keras_config(
        config_of("vae"),
        custom={
            "vae>Sampling": lambda entry: Sampling(half),
            "vae>KLDivergenceLayer": lambda entry: divergence,
        },
    )
    return Port(
        twin,
        losses.BinaryCrossentropy(),
        optim.Adam(twin.parameters()),
        added_loss=lambda net: divergence.value,
    )


def right():
    return port(0.5)


def wrong():
    return port(1.0)
