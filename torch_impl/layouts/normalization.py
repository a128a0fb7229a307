"""Layouts of normalisations."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from torch_impl import layers
from torch_impl.layouts.variable import Row, Variable, permuted, present, renamed, same


def _batch_normalization(module: nn.Module) -> list[Variable]:
    statistics = (("moving_mean", "running_mean"), ("moving_variance", "running_var"))
    return present(module, ("gamma", "weight"), ("beta", "bias"), *statistics)


def _normalization(module: nn.Module) -> list[Variable]:
    """Statistics that were passed as arguments are not weights in Keras."""
    names = ("mean", "variance", "count") if module.count is not None else ()
    return present(module, *((name, name) for name in names))


def _affine(module: nn.Module) -> list[Variable]:
    return present(module, ("gamma", "weight"), ("beta", "bias"))


def _stock_layer_normalization(module: nn.Module) -> list[Variable]:
    """(C, H, W) <-> (H, W, C): if torch normalises several axes, the channels come first."""
    weight: torch.Tensor | None = module.weight  # type: ignore[assignment]
    axes = () if weight is None else (*range(1, weight.ndim), 0)
    names = (("gamma", "weight"), ("beta", "bias"))
    return [
        permuted(module, keras_name, attribute, axes)
        for keras_name, attribute in names
        if getattr(module, attribute, None) is not None
    ]


def _stock_rms_normalization(module: nn.Module) -> list[Variable]:
    """(C, H, W) <-> (H, W, C), as for nn.LayerNorm."""
    return [renamed(v, "scale") for v in _stock_layer_normalization(module)]


ROWS: dict[type[nn.Module], Row] = {
    layers.BatchNormalization: _batch_normalization,
    layers.LayerNormalization: _affine,
    layers.GroupNormalization: _affine,
    nn.RMSNorm: lambda module: [same(module, "scale", "weight")],
    layers.RMSNormalization: lambda module: [same(module, "scale", "weight")],
    layers.Normalization: _normalization,
    _BatchNorm: _batch_normalization,
    nn.LayerNorm: _stock_layer_normalization,
    nn.GroupNorm: _affine,
    _InstanceNorm: _affine,
    nn.RMSNorm: _stock_rms_normalization,
}
