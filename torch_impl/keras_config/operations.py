"""The keras.ops operations in a functional model, such as x + y, as modules.

Axes have Keras's meaning, since tensors between layers have Keras's layout.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.clip import clip
from torch_impl.keras_config.truth_values import TRUTH_VALUES
from torch_impl.layers import activations


def _over(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Returns a reduction over one axis, several axes, or all."""

    def reduce(
        x: torch.Tensor, axis: Any = None, keepdims: bool = False, initial: Any = None
    ) -> torch.Tensor:
        if initial is not None:
            raise ValueError(f"{initial=}: expected None")
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        return function(x, dim=tuple(axes), keepdim=keepdims)

    return reduce


def _variance(x: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    return torch.var(x, dim, correction=0, keepdim=keepdim)


def _deviation(x: torch.Tensor, dim: Any, keepdim: bool) -> torch.Tensor:
    return torch.sqrt(_variance(x, dim, keepdim))


def _maximum(x: Any, y: Any) -> torch.Tensor:
    x, y = _tensors(x, y)
    return torch.where(x >= y, x, y)


def _minimum(x: Any, y: Any) -> torch.Tensor:
    x, y = _tensors(x, y)
    return torch.where(x <= y, x, y)


def _tensors(x: Any, y: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives a number the dtype and device of the tensor that it is combined with."""
    like = x if isinstance(x, torch.Tensor) else y
    return torch.as_tensor(x).to(like), torch.as_tensor(y).to(like)


def _reshape(x: torch.Tensor, newshape: Any) -> torch.Tensor:
    return x.reshape([-1 if size is None else size for size in newshape])


def _transpose(x: torch.Tensor, axes: Any = None) -> torch.Tensor:
    return x.permute(*(axes or reversed(range(x.ndim))))


def _squeeze(x: torch.Tensor, axis: Any = None) -> torch.Tensor:
    return x.squeeze() if axis is None else x.squeeze(axis)


def _expand(x: torch.Tensor, axis: Any) -> torch.Tensor:
    for place in (axis,) if isinstance(axis, int) else sorted(axis):
        x = x.unsqueeze(place)
    return x


def _clip(x: torch.Tensor, x_min: float, x_max: float) -> torch.Tensor:
    return clip(x, x_min, x_max)


def _repeat(x: torch.Tensor, repeats: int, axis: int) -> torch.Tensor:
    return x.repeat_interleave(repeats, dim=axis)


def _item(x: torch.Tensor, key: Any) -> torch.Tensor:
    return x[tuple(key) if isinstance(key, list) else key]


# By Keras's class names; activations such as "LeakyRelu" follow below.
OPERATIONS: dict[str, Callable[..., torch.Tensor]] = {
    **TRUTH_VALUES,
    "Add": lambda x, y: x + y,
    "Subtract": lambda x, y: x - y,
    "Multiply": lambda x, y: x * y,
    "Divide": lambda x, y: x / y,
    "TrueDivide": lambda x, y: x / y,
    "Power": lambda x, y: x**y,
    "Maximum": _maximum,
    "Minimum": _minimum,
    "Negative": torch.neg,
    "Absolute": torch.abs,
    "Abs": torch.abs,
    "Square": torch.square,
    "Sqrt": torch.sqrt,
    "Rsqrt": torch.rsqrt,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Matmul": torch.matmul,
    "Mean": _over(torch.mean),
    "Sum": _over(torch.sum),
    "Max": _over(torch.amax),
    "Min": _over(torch.amin),
    "Var": _over(_variance),
    "Std": _over(_deviation),
    "Logsumexp": _over(torch.logsumexp),
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
    "Concatenate": lambda xs, axis=-1: torch.cat(list(xs), dim=axis),
    "Stack": lambda xs, axis=0: torch.stack(list(xs), dim=axis),
    "Clip": _clip,
    "Repeat": _repeat,
    "GetItem": _item,
    "Flip": lambda x, axis: x.flip(axis),
    "Relu": F.relu,
    "ReLU": activations.relu,
    "Relu6": F.relu6,
    "LeakyRelu": activations.leaky_relu,
    "Silu": F.silu,
    "Swish": F.silu,
    "LogSoftmax": activations.log_softmax,
    "LogSigmoid": F.logsigmoid,
    "HardSigmoid": activations.hard_sigmoid,
    "HardSilu": activations.hard_silu,
    **{
        name.title(): getattr(activations, name)
        for name in (
            *("sigmoid", "tanh", "softmax", "softplus", "softsign", "elu", "selu", "celu"),
            *("gelu", "mish", "squareplus", "glu"),
        )
    },
}


class Operation(nn.Module):
    """One keras.ops operation with its settings.

    Args:
        name: Keras's name of its class.
        **settings: its config: axis, keepdims, ...

    Raises:
        ValueError: `name` is not in `OPERATIONS`.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__()
        if name not in OPERATIONS:
            raise ValueError(f"operation {name!r}: expected one of {sorted(OPERATIONS)}")
        self.function = functools.partial(OPERATIONS[name], **settings)
        self.name, self.settings = name, settings

    def forward(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """Returns what the keras.ops operation returns for the arguments."""
        return self.function(*arguments, **options)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return ", ".join([self.name, *(f"{k}={v}" for k, v in self.settings.items())])
