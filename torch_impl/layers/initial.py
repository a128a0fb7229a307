"""Initialisers by Keras's rules, and a whole model initialised as Keras does it."""

from __future__ import annotations

import math

import torch
from torch import nn

from torch_impl.layers.dropout import Dropout
from torch_impl.philox import stateless_uniform
from torch_impl.seeds import KerasSeeds


def glorot_uniform(
    shape: tuple[int, ...], *, seed: int, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns what Keras's GlorotUniform draws for a kernel from an integer seed, bit for bit.

    U(-l, l) with l = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010), drawn in Keras's layout.

    Args:
        shape: Keras's: (height, width, in, out) of a convolution, (in, out) of a Dense layer.
        seed: of the initialiser.
        dtype: torch.float32 or torch.float64; the two streams are unrelated.
    """
    receptive_field = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * receptive_field, shape[-1] * receptive_field
    # As Keras's VarianceScaling writes it: another order rounds differently in the last bit.
    limit = math.sqrt(3.0 * (1.0 / max(1.0, (fan_in + fan_out) / 2.0)))
    # Keras casts the bounds through float32, in float64 runs too.
    low, high = torch.tensor([-limit, limit], dtype=torch.float32).to(dtype)
    return stateless_uniform(shape, seed=(seed, 0), dtype=dtype) * (high - low) + low


@torch.no_grad()
def initialise(model: nn.Module, seeds: KerasSeeds) -> None:
    """Gives every layer what Keras draws for it, in the order in which Keras constructs layers.

    Kernels are Glorot-uniform, biases zero, each Dropout gets its seed. Differs from torch's
    defaults (Kaiming-uniform kernels with bound 1/sqrt(fan_in), uniform biases) in both.

    Args:
        model: whose modules stand in the order of the Keras program.
        seeds: advanced by one draw for each Conv2d, Linear and Dropout.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            out_channels, in_channels, height, width = layer.weight.shape
            kernel = glorot_uniform(
                (height, width, in_channels, out_channels),
                seed=seeds.next_layer_seed(),
                dtype=layer.weight.dtype,
            )
            layer.weight.copy_(kernel.permute(3, 2, 0, 1))  # HWIO -> OIHW
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            out_features, in_features = layer.weight.shape
            kernel = glorot_uniform(
                (in_features, out_features),
                seed=seeds.next_layer_seed(),
                dtype=layer.weight.dtype,
            )
            layer.weight.copy_(kernel.T)  # (in, out) -> (out, in)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Dropout) and layer.rate > 0:  # at rate 0 Keras draws none
            layer.seed = seeds.next_layer_seed()


@torch.no_grad()
def initialise_independently(model: nn.Sequential) -> None:
    """Gives every layer Keras's distributions, drawn from torch's own generator.

    What a migrated program does that does not follow Keras's seed: Glorot-uniform kernels, zero
    biases, and torch.nn.Dropout in the place of every Dropout.

    Args:
        model: its layers are changed, and its Dropout layers replaced.
    """
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Dropout):
            setattr(model, name, nn.Dropout(layer.rate))
