"""What a torch module or function is called in both halves: "conv", "dense", "activation:relu".

A module or a function goes in, its kind comes out; `keras_impl/kinds.py` has the same words for
Keras's layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_impl import layers

# Class -> kind, the word that both halves share (`keras_impl/kinds.py`). Both torch's names and
# Keras's, which `torch_impl.layers` has.
_MODULES = {
    "Conv": "conv",
    "LazyConv": "conv",
    "DepthwiseConv": "depthwise_conv",
    "ConvTranspose": "conv_transpose",
    "Linear": "dense",
    "Dense": "dense",
    "BatchNorm": "batch_norm",
    "BatchNormalization": "batch_norm",
    "SyncBatchNorm": "batch_norm",
    "LayerNorm": "layer_norm",
    "LayerNormalization": "layer_norm",
    "GroupNorm": "group_norm",
    "GroupNormalization": "group_norm",
    "Embedding": "embedding",
    "LSTM": "lstm",
    "GRU": "gru",
    "RNN": "simple_rnn",
    "SimpleRNN": "simple_rnn",
    "Bidirectional": "bidirectional",
    "MaxPool": "max_pool",
    "MaxPooling": "max_pool",
    "AvgPool": "average_pool",
    "AveragePool": "average_pool",
    "AveragePooling": "average_pool",
    "AdaptiveAvgPool": "global_average_pool",
    "AdaptiveMaxPool": "global_max_pool",
    "GlobalAveragePool": "global_average_pool",
    "GlobalAveragePooling": "global_average_pool",
    "GlobalMaxPool": "global_max_pool",
    "GlobalMaxPooling": "global_max_pool",
    "Flatten": "flatten",
    "Reshape": "reshape",
    "Permute": "permute",
    "RepeatVector": "repeat",
    "ZeroPad": "zero_padding",
    "ZeroPadding": "zero_padding",
    "ConstantPad": "zero_padding",
    "Cropping": "cropping",
    "Upsample": "upsampling",
    "UpsamplingNearest": "upsampling",
    "UpsamplingBilinear": "upsampling",
    "UpSampling": "upsampling",
    "Dropout": "dropout",
    "SpatialDropout": "dropout",
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Average": "average",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Concatenate": "concatenate",
    "Rescaling": "rescaling",
    "Normalization": "normalization",
    "PReLU": "prelu",
    "ReLU": "activation:relu",
    "ReLU6": "activation:relu6",
    "LeakyReLU": "activation:leaky_relu",
    "ELU": "activation:elu",
    "SELU": "activation:selu",
    "GELU": "activation:gelu",
    "SiLU": "activation:silu",
    "Mish": "activation:mish",
    "Sigmoid": "activation:sigmoid",
    "Tanh": "activation:tanh",
    "Softmax": "activation:softmax",
    "LogSoftmax": "activation:log_softmax",
    "Softplus": "activation:softplus",
    "Softsign": "activation:softsign",
    "Hardsigmoid": "activation:hard_sigmoid",
    "Hardswish": "activation:hard_silu",
}
_FUNCTIONS = {
    "conv": "conv",
    "conv_transpose": "conv_transpose",
    "linear": "dense",
    "batch_norm": "batch_norm",
    "layer_norm": "layer_norm",
    "group_norm": "group_norm",
    "embedding": "embedding",
    "max_pool": "max_pool",
    "avg_pool": "average_pool",
    "adaptive_avg_pool": "global_average_pool",
    "adaptive_max_pool": "global_max_pool",
    "flatten": "flatten",
    "view": "reshape",
    "reshape": "reshape",
    "permute": "permute",
    "transpose": "permute",
    "swapaxes": "permute",
    "swapdims": "permute",
    "movedim": "permute",
    "moveaxis": "permute",
    "pad": "zero_padding",
    "__getitem__": "cropping",
    "interpolate": "upsampling",
    "dropout": "dropout",
    "feature_dropout": "dropout",
    "add": "add",
    "__add__": "add",
    "__radd__": "add",
    "__iadd__": "add",
    "add_": "add",
    "sub": "subtract",
    "__sub__": "subtract",
    "mul": "multiply",
    "__mul__": "multiply",
    "__rmul__": "multiply",
    "maximum": "maximum",
    "minimum": "minimum",
    "cat": "concatenate",
    "concat": "concatenate",
    "concatenate": "concatenate",
    "mean": "mean",
    "amax": "amax",
    "relu": "activation:relu",
    "relu_": "activation:relu",
    "relu6": "activation:relu6",
    "leaky_relu": "activation:leaky_relu",
    "elu": "activation:elu",
    "selu": "activation:selu",
    "gelu": "activation:gelu",
    "silu": "activation:silu",
    "mish": "activation:mish",
    "sigmoid": "activation:sigmoid",
    "tanh": "activation:tanh",
    "softmax": "activation:softmax",
    "log_softmax": "activation:log_softmax",
    "softplus": "activation:softplus",
    "softsign": "activation:softsign",
    "hardsigmoid": "activation:hard_sigmoid",
    "hardswish": "activation:hard_silu",
}
_WHOLE = {"SpatialDropout", "FeatureAlphaDropout"}  # drop whole channels, without a rank to say so
_BETWEEN_TENSORS = {"add", "subtract", "multiply", "maximum", "minimum"}


def kind_of(module: nn.Module) -> str:
    """Returns the kind of a module, "unknown:CLASS" where there is no word for it."""
    name = type(module).__name__
    kind = _MODULES.get(_without_rank(name))
    # A class of the user's may be a subclass, or only have the name.
    if kind is None or not _is_known(type(module)):
        bases = [
            base for base in type(module).__mro__ if base.__module__.startswith("torch.nn.modules")
        ]
        names = [_MODULES.get(_without_rank(base.__name__)) for base in bases]
        kind = next((found for found in names if found), None)
    if kind is None:
        return f"unknown:{name}"
    if isinstance(module, layers.ReLU):
        return _kind_of_relu(**module.settings)
    if kind == "conv" and 1 < getattr(module, "groups", 1) == module.in_channels:
        return "depthwise_conv"
    if kind in ("lstm", "gru", "simple_rnn") and getattr(module, "bidirectional", False):
        return "bidirectional"
    return kind


def _kind_of_relu(max_value: float | None, negative_slope: float, threshold: float) -> str:
    """Keras's ReLU is also what has names of its own, as in `keras_impl/kinds.py`."""
    if threshold or (negative_slope and max_value):
        return "activation:relu"
    if negative_slope:
        return "activation:leaky_relu"
    return "activation:relu6" if max_value == 6 else "activation:relu"


def drops_channels(dropout: Any) -> bool:
    """Whether a dropout, a module or a function, drops whole channels and not single values."""
    noise_shape = getattr(dropout, "noise_shape", None)  # in Keras's layout
    if noise_shape is not None:
        return len(noise_shape) > 2 and all(side == 1 for side in noise_shape[1:-1])
    if not isinstance(dropout, nn.Module):
        name = str(getattr(dropout, "__name__", ""))
        return _without_rank(name) != name or name.startswith("feature_")  # F.dropout2d
    # A class of the user's may be a subclass, or only have the name.
    names = [base.__name__ for base in type(dropout).__mro__ if _is_known(base)]
    return any(_without_rank(name) != name or name in _WHOLE for name in names)


def kind_of_function(function: Any) -> str | None:
    """Returns the kind of a function by its name; None where it is of no interest."""
    return _FUNCTIONS.get(_without_rank(getattr(function, "__name__", "")))


def refined(kind: str, inputs: list[torch.Tensor], output: torch.Tensor) -> str | None:
    """The kind of a function by what it did; None where it is of no interest."""
    if not inputs:
        return None
    x = inputs[0]
    if kind in _BETWEEN_TENSORS:
        return kind if len(inputs) > 1 and all(value.ndim for value in inputs) else None
    if kind == "cropping":
        is_part = len(inputs) == 1 and output.ndim == x.ndim > 2 and len(output) == len(x)
        return kind if is_part and output.numel() < x.numel() else None
    if kind in ("reshape", "flatten"):
        return "flatten" if output.ndim == 2 < x.ndim else kind
    if kind in ("mean", "amax"):
        is_global = x.ndim > 2 and x.shape[0] == output.shape[0] and output.numel() < x.numel()
        name = "global_average_pool" if kind == "mean" else "global_max_pool"
        return name if is_global else None
    return kind


def _is_known(kind: type) -> bool:
    """Whether a class is one of those that the names of the tables are of."""
    return kind.__module__.split(".")[0] in ("torch", "torchvision", "torch_impl")


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is compared as a whole: one that has a kind, or holds no modules."""
    return not kind_of(module).startswith("unknown:") or not any(True for _ in module.children())


def _without_rank(name: str) -> str:
    """Returns a name without the number of dimensions: Conv2d, conv2d, MaxPooling2D."""
    return name[:-2] if name[-2:].lower() in ("1d", "2d", "3d") else name
