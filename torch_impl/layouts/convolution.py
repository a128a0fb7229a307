"""Layouts of dense layers and convolutions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from torch_impl import layers
from torch_impl.layouts.variable import Row, Tensors, Variable, permuted, present, renamed


def _linear(module: nn.Module) -> list[Variable]:
    """(out, in) <-> (in, out)."""
    return [permuted(module, "kernel", "weight", (1, 0)), *present(module, ("bias", "bias"))]


def _convolution(module: nn.Module) -> list[Variable]:
    """(out, in / groups, h, w) <-> (h, w, in / groups, out).

    A transposed convolution has both channel axes swapped, in torch as in Keras.
    """
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    rank = weight.ndim - 2
    axes = (*range(2, rank + 2), 1, 0)
    return [permuted(module, "kernel", "weight", axes), *present(module, ("bias", "bias"))]


def _depthwise(module: nn.Module, name: str) -> Variable:
    """(in * mult, 1, h, w) <-> (h, w, in, mult); output channel = input channel * mult + number.

    The kernel (h, w, 1, in * mult) of a grouped convolution is accepted too, by its shape.
    """
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    num_inputs: int = module.groups  # type: ignore[assignment]

    def to_keras(tensors: Tensors) -> torch.Tensor:
        split = tensors[0].reshape(num_inputs, -1, *weight.shape[2:])
        return split.movedim((0, 1), (-2, -1))

    def to_torch(array: torch.Tensor) -> Tensors:
        if array.ndim != weight.ndim:
            return (array,)
        by_input = array.movedim((-2, -1), (0, 1))
        if num_inputs > 1 and array.shape[-2] == 1:
            return (by_input.movedim(1, 0),)
        return (by_input.flatten(0, 1).unsqueeze(1),)

    return Variable(name, module, ("weight",), to_keras, to_torch)


def _depthwise_convolution(module: nn.Module) -> list[Variable]:
    return [_depthwise(module, "kernel"), *present(module, ("bias", "bias"))]


def _separable_convolution(module: nn.Module) -> list[Variable]:
    depthwise: nn.Module = module.depthwise  # type: ignore[assignment]
    pointwise: nn.Module = module.pointwise  # type: ignore[assignment]
    kernel, *bias = _convolution(pointwise)
    return [
        _depthwise(depthwise, "depthwise_kernel"),
        renamed(kernel, "pointwise_kernel"),
        *bias,
    ]


def _stock_convolution(module: nn.Module) -> list[Variable]:
    """A convolution of torch.nn; with as many groups as inputs it is Keras's DepthwiseConv."""
    is_depthwise = module.groups != 1 and module.groups == module.in_channels
    return _depthwise_convolution(module) if is_depthwise else _convolution(module)


def _spectrogram(module: nn.Module) -> list[Variable]:
    """Kernels are in Keras's shape, (frame_length, 1, frequencies)."""
    return present(module, ("real_kernel", "real_kernel"), ("imag_kernel", "imag_kernel"))


ROWS: dict[type[nn.Module], Row] = {
    layers.STFTSpectrogram: _spectrogram,
    layers.Conv1D: _convolution,
    layers.Conv2D: _convolution,
    layers.Conv3D: _convolution,
    layers.DepthwiseConv1D: _depthwise_convolution,
    layers.DepthwiseConv2D: _depthwise_convolution,
    layers.SeparableConv1D: _separable_convolution,
    layers.SeparableConv2D: _separable_convolution,
    nn.Linear: _linear,
    _ConvNd: _stock_convolution,
    _ConvTransposeNd: _convolution,
}
