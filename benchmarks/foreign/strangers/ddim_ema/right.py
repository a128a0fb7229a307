"""Denoising diffusion of short vectors with an EMA of the network."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdam, glorot_
from .data import samples

DIM, EMBEDDING_DIMS, EMA = 5, 8, 0.99
MIN_SIGNAL_RATE, MAX_SIGNAL_RATE = 0.02, 0.95


class Normalizer(nn.Module):
    def __init__(self, x):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(x.mean(0)))
        self.register_buffer("variance", torch.from_numpy(x.var(0)))

    def forward(self, x):
        return (x - self.mean) / self.variance.sqrt().clamp(min=1e-7)


class Whiten(nn.Module):
    """Batch normalisation without weights; the moving variance is the biased one."""

    def __init__(self, features):
        super().__init__()
        self.register_buffer("moving_mean", torch.zeros(features))
        self.register_buffer("moving_variance", torch.ones(features))

    def forward(self, x):
        mean, variance = self.moving_mean, self.moving_variance
        if self.training:
            mean, variance = x.mean(0), x.var(0, unbiased=False)
            with torch.no_grad():
                self.moving_mean.lerp_(mean, 0.01)
                self.moving_variance.lerp_(variance, 0.01)
        return (x - mean) * torch.rsqrt(variance + 1e-3)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.residual = nn.Linear(inputs, width)
        self.norm = Whiten(inputs)
        self.fc1 = nn.Linear(inputs, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x):
        return self.fc2(F.silu(self.fc1(self.norm(x)))) + self.residual(x)


def sinusoidal_embedding(x):
    frequencies = torch.exp(torch.linspace(0.0, math.log(50.0), EMBEDDING_DIMS // 2, dtype=x.dtype))
    angles = 2 * math.pi * frequencies * x
    return torch.cat([torch.sin(angles), torch.cos(angles)], -1)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(DIM, 16)
        self.blocks = nn.ModuleList([ResidualBlock(16 + EMBEDDING_DIMS, 16), ResidualBlock(16, 16)])
        self.last = nn.Linear(16, DIM)

    def forward(self, noisy, noise_variances):
        x = torch.cat([self.first(noisy), sinusoidal_embedding(noise_variances)], -1)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class Diffusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.normalizer = Normalizer(samples())
        self.network = glorot_(Denoiser())
        nn.init.zeros_(self.network.last.weight)
        self.ema_network = copy.deepcopy(self.network).requires_grad_(False)


def build():
    model = Diffusion()
    optimizer = KerasAdam(model.network.parameters(), lr=1e-3, weight_decay=1e-2)

    def step(x):
        x = model.normalizer(x)
        noises = torch.randn_like(x)
        times = torch.rand(len(x), 1)
        start, end = math.acos(MAX_SIGNAL_RATE), math.acos(MIN_SIGNAL_RATE)
        angles = start + times * (end - start)
        noise_rates, signal_rates = torch.sin(angles), torch.cos(angles)
        noisy = signal_rates * x + noise_rates * noises

        model.network.train()
        predicted = model.network(noisy, noise_rates**2)
        loss = (predicted - noises).abs().mean(-1)
        optimizer.zero_grad()
        loss.sum().backward()  # the tape of Keras adds up what is not a scalar
        optimizer.step()
        with torch.no_grad():
            for ema, value in zip(
                [*model.ema_network.parameters(), *model.ema_network.buffers()],
                [*model.network.parameters(), *model.network.buffers()],
                strict=True,
            ):
                ema.mul_(EMA).add_(value, alpha=1 - EMA)
        return {"n_loss": loss.mean()}

    return Port(model, train_step=step)
