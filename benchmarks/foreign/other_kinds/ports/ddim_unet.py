"""The twin of a residual U-Net; its sinusoidal embedding is written in torch.

The mistake: the cosines come before the sines.
"""

import math

import torch
from blocks_by_hand import config_of

from torch_impl import Port, from_keras_config, losses, optim


def speeds(x):
    steps = torch.linspace(0.0, math.log(1000.0), 4, dtype=x.dtype, device=x.device)
    return 2 * math.pi * steps.exp() * x


def sines_first(x):
    return torch.cat([speeds(x).sin(), speeds(x).cos()], dim=-1)


def cosines_first(x):
    return torch.cat([speeds(x).cos(), speeds(x).sin()], dim=-1)


def port(embedding):
    twin = from_keras_config(config_of("ddim_unet"), custom={"sinus": embedding})
    optimizer = optim.AdamW(twin.parameters(), learning_rate=1e-3, weight_decay=1e-4)
    return Port(twin, losses.MeanAbsoluteError(), optimizer)


def right():
    return port(sines_first)


def wrong():
    return port(cosines_first)
