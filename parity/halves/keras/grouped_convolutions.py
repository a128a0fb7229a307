"""Grouped convolutions in a fraction of Keras's time.

TensorFlow has no grouped convolution for processors, so that Keras compiles each call of one with
XLA: in `fit` once for all steps, but without a compiled step anew in every pass. What XLA makes of
it in float64 then takes a hundred times as long as TensorFlow's depthwise convolution.

In the block, one in float64 is computed group by group, which is the same sum in another order: the
last bits differ. In another dtype, calls of the same settings and shapes share what was compiled,
with the same numbers bit by bit.

Source: keras 3.15 `backend/tensorflow/nn.py` (`conv`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from parity.halves.keras import versions

_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}  # of which the gradient of a volume needs the name


@contextmanager
def quick_grouped_convolutions() -> Iterator[None]:
    """Computes grouped convolutions otherwise than Keras in the block. Keras 3 only."""
    if versions.IS_KERAS_2:
        yield
        return
    module: Any = importlib.import_module("keras.src.backend.tensorflow.nn")
    before = module.conv
    module.conv = partial(_conv, before, {})
    try:
        yield
    finally:
        module.conv = before


def _conv(
    own: Any,
    compiled: dict[str, Any],
    inputs: Any,
    kernel: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """Returns a convolution, as Keras's `conv` does.

    Args:
        own: Keras's function.
        compiled: by settings and shapes; is added to.
        inputs: (N, ..., C), or (N, C, ...) with "channels_first".
        kernel: (..., C / groups, filters), tensor or variable.
        strides: of each axis, or of all.
        padding: "valid" or "same".
        data_format: None: Keras's default.
        dilation_rate: of each axis, or of all.
    """
    settings = strides, padding, data_format, dilation_rate
    is_first = (data_format or keras.config.image_data_format()) == "channels_first"
    groups = inputs.shape[1 if is_first else -1] // kernel.shape[-2]
    if groups == 1:
        return own(inputs, kernel, *settings)
    kernel = tf.convert_to_tensor(kernel)
    if inputs.dtype == tf.float64:
        order = list(range(len(inputs.shape)))
        x = tf.transpose(inputs, [0, *order[2:], 1]) if is_first else inputs
        result = _in_groups(x, kernel, groups, strides, padding.upper(), dilation_rate)
        if 0 in result.shape[1:]:
            return own(inputs, kernel, *settings)  # which raises, and says why
        return tf.transpose(result, [0, order[-1], *order[1:-1]]) if is_first else result
    if not tf.executing_eagerly():
        return own(inputs, kernel, *settings)
    key = repr((settings, inputs.shape, kernel.shape, inputs.dtype))
    if key not in compiled:
        compiled[key] = tf.function(
            lambda x, weights: own(x, weights, *settings), jit_compile=True, autograph=False
        )
    return compiled[key](inputs, kernel)


def _in_groups(
    x: Any,
    kernel: Any,
    groups: int,
    strides: int | Sequence[int],
    padding: str,
    dilation_rate: int | Sequence[int],
) -> Any:
    """Returns a convolution with channels last, by the operations that TensorFlow has."""
    rank = len(x.shape) - 2
    strides, dilations = (
        (value,) * rank if isinstance(value, int) else tuple(value)
        for value in (strides, dilation_rate)
    )
    has_one = len({*strides}) == 1 and (max(strides) == 1 or max(dilations) == 1)
    if kernel.shape[-2] == 1 and rank == 2 and has_one:  # what `depthwise_conv2d` takes
        # Filters of a group stand side by side: (..., 1, C * n) is (..., C, n).
        filters = tf.reshape(kernel, (*kernel.shape[:2], groups, -1))
        steps = 1, *strides, 1
        return tf.nn.depthwise_conv2d(x, filters, steps, padding, dilations=dilations)
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    found = [
        tf.nn.convolution(part, weights, strides, padding, _LAST[rank], dilations)
        for part, weights in parts
    ]
    return tf.concat(found, -1)
