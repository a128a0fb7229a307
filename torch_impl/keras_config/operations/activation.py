"""Activations, by the names of their operations."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from torch_impl.keras_config.operations.arguments import Function
from torch_impl.layers import activations


def _softmax(x: torch.Tensor, axis: int | None = -1) -> torch.Tensor:
    return activations.softmax(x, _one(axis))


def _log_softmax(x: torch.Tensor, axis: int | None = -1) -> torch.Tensor:
    return activations.log_softmax(x, _one(axis))


def _one(axis: int | None) -> int | None:
    if axis is not None and not isinstance(axis, int):
        raise ValueError(f"{axis=}: expected one axis, as in a model of Keras; use a Softmax layer")
    return axis


ROWS: dict[str, Function] = {
    "Relu": F.relu,
    "ReLU": activations.relu,
    "Relu6": F.relu6,
    "LeakyRelu": activations.leaky_relu,
    "Silu": F.silu,
    "Swish": F.silu,
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "LogSigmoid": F.logsigmoid,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSilu": activations.hard_silu,
    "HardTanh": activations.hard_tanh,
    "HardShrink": activations.hard_shrink,
    "SoftShrink": activations.soft_shrink,
    "TanhShrink": activations.tanh_shrink,
    "SparsePlus": activations.sparse_plus,
    "SparseSigmoid": activations.sparse_sigmoid,
    # The operation approximates unless it is told not to; the activation does not.
    "Gelu": partial(activations.gelu, approximate=True),
    **{
        name.title(): getattr(activations, name)
        for name in (
            *("sigmoid", "tanh", "softplus", "softsign", "elu", "selu", "celu"),
            *("mish", "squareplus", "glu", "threshold", "sparsemax"),
        )
    },
}
