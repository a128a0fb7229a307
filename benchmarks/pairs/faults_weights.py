"""Ports with one mistake each in how they feed inputs or load weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.pairs import torch_activations, torch_branches, torch_convolutions, torch_layers
from benchmarks.pairs.torch_base import Lambda, classified
from torch_impl import Port

Weights = Mapping[str, np.ndarray]


def _changed(port: Port, **changes: Any) -> Port:
    return Port(**{**vars(port), **changes})


# --- data -----------------------------------------------------------------------------------------


def _divided(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x / 255).movedim(-1, 1)


def imagenet_statistics() -> Port:

    def normalized(x: torch.Tensor) -> torch.Tensor:
        mean = torch.tensor([0.485, 0.456, 0.406], dtype=x.dtype)[:, None, None]
        std = torch.tensor([0.229, 0.224, 0.225], dtype=x.dtype)[:, None, None]
        return (x - mean) / std

    return classified(4, Lambda(normalized), nn.Conv2d(3, 4, 3), nn.ReLU())


# --- weights --------------------------------------------------------------------------------------


def _loaded(port: Port, names: Mapping[str, str], axes: Mapping[str, tuple[int, ...]]) -> Port:

    def load(module: nn.Module, weights: Weights) -> None:
        for name, own in names.items():
            array = weights[name]
            order = axes.get(name, tuple(range(array.ndim))[::-1] if array.ndim == 2 else None)
            array = array if order is None else array.transpose(order)
            module.get_parameter(own).copy_(torch.from_numpy(array.copy()))

    return _changed(port, load=load)


_CONV_SQUARE = {
    "conv2d.kernel": "features.0.weight",
    "conv2d.bias": "features.0.bias",
    "conv2d_1.kernel": "features.2.weight",
    "conv2d_1.bias": "features.2.bias",
    "dense.kernel": "head.weight",
    "dense.bias": "head.bias",
}


def kernel_reversed() -> Port:
    axes = {"conv2d.kernel": (3, 2, 1, 0), "conv2d_1.kernel": (3, 2, 1, 0)}
    return _loaded(torch_convolutions.conv_square(), _CONV_SQUARE, axes)


def kernel_in_out() -> Port:
    axes = {"conv2d.kernel": (2, 3, 0, 1), "conv2d_1.kernel": (2, 3, 0, 1)}
    return _loaded(torch_convolutions.conv_square(), _CONV_SQUARE, axes)


def dense_not_transposed() -> Port:
    names = {
        f"dense{suffix}.{kind}": f"{own}.{torch_kind}"
        for suffix, own in (("", "features.0"), ("_1", "features.2"), ("_2", "head"))
        for kind, torch_kind in (("kernel", "weight"), ("bias", "bias"))
    }
    axes = {"dense.kernel": (0, 1), "dense_1.kernel": (0, 1)}
    return _loaded(torch_layers.mlp_square(), names, axes)


def flatten_not_permuted() -> Port:
    names = {
        "conv2d.kernel": "features.0.weight",
        "conv2d.bias": "features.0.bias",
        "dense.kernel": "features.4.weight",
        "dense.bias": "features.4.bias",
        "dense_1.kernel": "head.weight",
        "dense_1.bias": "head.bias",
    }
    return _loaded(torch_layers.flatten(), names, {"conv2d.kernel": (3, 2, 0, 1)})


def _norm_loaded(order: tuple[str, str, str, str]) -> Port:
    def load(module: Any, weights: Weights) -> None:
        conv, norm = module.features[0], module.features[1]
        kernel = weights["conv2d.kernel"].transpose(3, 2, 0, 1).copy()
        conv.weight.copy_(torch.from_numpy(kernel))
        for own, name in zip(("weight", "bias", "running_mean", "running_var"), order, strict=True):
            getattr(norm, own).copy_(
                torch.from_numpy(weights[f"batch_normalization.{name}"].copy())
            )
        module.head.weight.copy_(torch.from_numpy(weights["dense.kernel"].T.copy()))
        module.head.bias.copy_(torch.from_numpy(weights["dense.bias"].copy()))

    return _changed(torch_layers.batch_norm(), load=load)


def gates_not_reordered() -> Port:

    def load(module: Any, weights: Weights) -> None:
        cell = module.gru
        cell.weight_ih_l0.copy_(torch.from_numpy(weights["gru.gru_cell/kernel"].T.copy()))
        cell.weight_hh_l0.copy_(torch.from_numpy(weights["gru.gru_cell/recurrent_kernel"].T.copy()))
        bias = torch.from_numpy(weights["gru.gru_cell/bias"].copy())
        cell.bias_ih_l0.copy_(bias[0])
        cell.bias_hh_l0.copy_(bias[1])
        module.head.weight.copy_(torch.from_numpy(weights["dense.kernel"].T.copy()))
        module.head.bias.copy_(torch.from_numpy(weights["dense.bias"].copy()))

    return _changed(torch_branches.gru_torch(), load=load)


globals().update(
    # data
    fed_in_bytes=lambda: _changed(torch_convolutions.conv_valid(), feed=_divided),
    fed_twice_divided=lambda: _changed(torch_activations.rescaled(), feed=_divided),
    not_rescaled=lambda: classified(4, nn.Conv2d(3, 4, 3), nn.ReLU()),
    fed_bgr=lambda: _changed(
        torch_convolutions.conv_valid(),
        feed=lambda x: torch.from_numpy(x[..., ::-1].copy()).movedim(-1, 1),
    ),
    # weights
    norm_statistics_swapped=lambda: _norm_loaded(
        ("gamma", "beta", "moving_variance", "moving_mean")
    ),
    norm_gamma_beta_swapped=lambda: _norm_loaded(
        ("beta", "gamma", "moving_mean", "moving_variance")
    ),
)
