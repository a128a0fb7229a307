"""Convolutions: strides, paddings, dilations, groups, multipliers, activations, rules.

Transposed ones are not dilated: TensorFlow has no such kernel on a CPU.
"""

from __future__ import annotations

from typing import Any

from benchmarks.public_layers.setting import IMAGES, SEQUENCES, VOLUMES, Setting, settings

_KERNEL = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
}
_DEPTHWISE = {name.replace("kernel", "depthwise"): value for name, value in _KERNEL.items()}
_SEPARABLE = {
    **_DEPTHWISE,
    "pointwise_initializer": "he_uniform",
    "pointwise_regularizer": "l1",
    "pointwise_constraint": "unit_norm",
}


def _plain(rank: int, shape: tuple[int, ...], *more: dict[str, Any]) -> list[Setting]:
    size = (2, 3, 2)[:rank]
    return settings(
        f"Conv{rank}D",
        shape,
        {"filters": 3, "kernel_size": 2, "activation": "relu"},
        {"filters": 3, "kernel_size": size, "padding": "same", "use_bias": False},
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "gelu"},
        {"filters": 4, "kernel_size": 2, "groups": 2, "padding": "same"},
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "activation": "tanh"},
        {"filters": 3, "kernel_size": 2, **_KERNEL},
        *more,
    )


def _transposed(rank: int, shape: tuple[int, ...], *more: dict[str, Any]) -> list[Setting]:
    size = (3, 2, 3)[:rank]
    return settings(
        f"Conv{rank}DTranspose",
        shape,
        {"filters": 3, "kernel_size": 2, "activation": "relu"},
        {"filters": 3, "kernel_size": size, "strides": 2, "padding": "same"},
        {"filters": 3, "kernel_size": size, "strides": 2, "use_bias": False},
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
        {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 0},
        {"filters": 3, "kernel_size": 2, **_KERNEL},
        *more,
    )


def _depthwise(rank: int, shape: tuple[int, ...]) -> list[Setting]:
    return settings(
        f"DepthwiseConv{rank}D",
        shape,
        {"kernel_size": 2, "activation": "relu"},
        {"kernel_size": (2, 3)[:rank], "padding": "same", "depth_multiplier": 2},
        {"kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
        {"kernel_size": 2, "dilation_rate": 2, "activation": "silu"},
        {"kernel_size": 2, **_DEPTHWISE},
    )


def _separable(rank: int, shape: tuple[int, ...]) -> list[Setting]:
    return settings(
        f"SeparableConv{rank}D",
        shape,
        {"filters": 3, "kernel_size": 2, "activation": "relu"},
        {"filters": 5, "kernel_size": (2, 3)[:rank], "padding": "same", "depth_multiplier": 2},
        {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
        {"filters": 3, "kernel_size": 2, "dilation_rate": 2},
        {"filters": 3, "kernel_size": 2, **_SEPARABLE},
    )


SETTINGS = [
    *_plain(
        1,
        SEQUENCES,
        {"filters": 3, "kernel_size": 2, "padding": "causal"},
        {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
    ),
    *_plain(2, IMAGES, {"filters": 3, "kernel_size": (3, 2), "strides": (1, 2)}),
    *_plain(3, VOLUMES, {"filters": 2, "kernel_size": (1, 2, 3), "strides": (2, 1, 1)}),
    *_transposed(1, SEQUENCES),
    *_transposed(
        2,
        IMAGES,
        {"filters": 3, "kernel_size": (3, 2), "strides": (3, 2), "output_padding": (2, 1)},
    ),
    *_transposed(3, VOLUMES),
    *_depthwise(1, SEQUENCES),
    *_depthwise(2, IMAGES),
    *_separable(1, SEQUENCES),
    *_separable(2, IMAGES),
]
