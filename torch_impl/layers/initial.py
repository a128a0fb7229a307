"""Initialisers by Keras's rules, and a whole model initialised as Keras does it."""

from __future__ import annotations

import math

import torch
from torch import nn

from torch_impl.layers.convolution import DepthwiseConv1D, DepthwiseConv2D
from torch_impl.layers.dropout import Dropout, GaussianDropout, GaussianNoise
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.philox import seed_pair, stateless_uniform
from torch_impl.seeds import KerasSeeds


def glorot_uniform(
    shape: tuple[int, ...], *, seed: int, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns what Keras's GlorotUniform draws for a kernel from an integer seed, bit for bit.

    U(-l, l) with l = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010), drawn in Keras's layout.

    Args:
        shape: Keras's: (height, width, in, out) of a convolution, (in, out) of a Dense layer.
        seed: of the initialiser, an integer of 64 bits.
        dtype: torch.float32 or torch.float64; the two streams are unrelated.
    """
    receptive_field = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * receptive_field, shape[-1] * receptive_field
    # In the order of Keras's VarianceScaling; another order may round the last bit differently.
    limit = math.sqrt(3.0 * (1.0 / max(1.0, (fan_in + fan_out) / 2.0)))
    # Keras casts the bounds through float32, in float64 runs too.
    low, high = torch.tensor([-limit, limit], dtype=torch.float32).to(dtype).unbind()
    return stateless_uniform(shape, seed=seed_pair(seed), dtype=dtype) * (high - low) + low


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
KERNELS = (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED)


def is_seeded(layer: nn.Module) -> bool:
    """Whether Keras draws one number as the seed of a layer; at rate 0 it draws none."""
    if isinstance(layer, GaussianNoise):
        return layer.stddev > 0
    return isinstance(layer, Dropout | GaussianDropout) and layer.rate > 0


def _draw_kernel(layer: nn.Module, seed: int) -> torch.Tensor:
    """Draws a Glorot-uniform kernel of Keras, in torch's layout."""
    weight: torch.Tensor = layer.weight  # type: ignore[assignment]
    first, second, *window = weight.shape
    if _is_depthwise(layer):
        channels: int = layer.groups  # type: ignore[assignment]
        shape = (*window, channels, first // channels)
        kernel = glorot_uniform(shape, seed=seed, dtype=weight.dtype)
        return kernel.movedim((-2, -1), (0, 1)).reshape(weight.shape)
    # The two channel axes come last in Keras, in the other order: HWIO for OIHW.
    kernel = glorot_uniform((*window, second, first), seed=seed, dtype=weight.dtype)
    return kernel.movedim((-1, -2), (0, 1))


def _is_depthwise(layer: nn.Module) -> bool:
    """Whether a layer is Keras's DepthwiseConv, as `torch_impl.layouts` has it, too."""
    if isinstance(layer, DepthwiseConv1D | DepthwiseConv2D):
        return True
    return type(layer) in _CONVOLUTIONS and 1 != layer.groups == layer.in_channels


@torch.no_grad()
def initialise(model: nn.Module, seeds: KerasSeeds) -> None:
    """Sets the weights and seeds that Keras draws, in the order in which Keras constructs layers.

    Kernels are Glorot-uniform, biases are zero, and each layer that draws in train mode gets its
    seed: dropouts, noise, and those of images that were given none. Torch's defaults are different:
    Kaiming-uniform kernels with bound 1/sqrt(fan_in), and uniform biases.

    Recurrent layers and embeddings, for which Keras uses other initialisers, keep torch's values:
    see `torch_impl.initializers`.

    Args:
        model: has its modules in the order of the Keras program.
        seeds: advanced by one draw for each convolution, Linear and layer with a seed; by two for a
            RandomCrop.
    """
    for layer in model.modules():
        if isinstance(layer, KERNELS):
            layer.weight.copy_(_draw_kernel(layer, seeds.next_layer_seed()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif is_seeded(layer):
            layer.seed = seeds.next_layer_seed()  # type: ignore[assignment]
        elif isinstance(layer, RandomImageLayer):
            layer.take_seed(seeds)


@torch.no_grad()
def initialise_independently(model: nn.Sequential) -> None:
    """Draws weights from Keras's distributions with torch's own generator.

    A migrated program that does not follow Keras's seed does this: Glorot-uniform kernels, zero
    biases, and torch.nn.Dropout in place of every Dropout.

    Args:
        model: its weights are set, and its Dropout layers replaced.
    """
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Dropout):
            setattr(model, name, nn.Dropout(layer.rate))
