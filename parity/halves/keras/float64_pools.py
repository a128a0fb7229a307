"""Pools of volumes in float64, for which TensorFlow has no kernel on the CPU.

A window over three axes is one over two of them and then one over the third: the greatest of the
greatest, and the mean of the means, also with padding 'same', where the number of values in a
window is a product of its sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import tensorflow as tf

_RANK = 5  # (N, D, H, W, C)


def install() -> None:
    """Lets TensorFlow pool volumes of float64 from now on; all else is as before."""
    for name in ("max_pool", "avg_pool"):
        pool = getattr(tf.nn, name)
        if not hasattr(pool, "_pools_volumes"):
            setattr(tf.nn, name, _also_of_volumes(pool))
    if not hasattr(tf.nn.pool, "_pools_volumes"):
        tf.nn.pool = _either_of_volumes(tf.nn.pool)


def _either_of_volumes(pool: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `tf.nn.pool`, which Keras's adaptive pools call, by the functions above."""

    @wraps(pool)
    def pooled(
        input: Any, window_shape: Any, pooling_type: str, *others: Any, **keywords: Any
    ) -> Any:
        is_plain = not others and keywords.keys() <= {"strides", "padding", "data_format"}
        if not (tf.is_tensor(input) and len(input.shape) == _RANK and is_plain):
            return pool(input, window_shape, pooling_type, *others, **keywords)
        named = tf.nn.max_pool if pooling_type == "MAX" else tf.nn.avg_pool
        return named(
            input,
            window_shape,
            keywords.get("strides", 1),
            keywords.get("padding", "VALID"),
            keywords.get("data_format"),
        )

    pooled._pools_volumes = True  # type: ignore[attr-defined]
    return pooled


def _also_of_volumes(pool: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(pool)
    def pooled(
        input: Any,
        ksize: Any,
        strides: Any,
        padding: Any,
        data_format: str | None = None,
        **keywords: Any,
    ) -> Any:
        is_plain = padding in ("SAME", "VALID") and data_format in (None, "NDHWC")
        if not tf.is_tensor(input) or not (
            input.dtype == tf.float64 and len(input.shape) == _RANK and is_plain
        ):
            return pool(input, ksize, strides, padding, data_format, **keywords)
        return _of_volumes(pool, input, _sides(ksize), _sides(strides), padding)

    pooled._pools_volumes = True  # type: ignore[attr-defined]
    return pooled


def _of_volumes(
    pool: Callable[..., Any], x: Any, window: Sequence[int], strides: Sequence[int], padding: str
) -> Any:
    depth, height, width, channels = (tf.shape(x)[axis] for axis in range(1, _RANK))
    slices = tf.reshape(x, [-1, height, width, channels])
    made = pool(slices, list(window[1:]), list(strides[1:]), padding)
    height, width = tf.shape(made)[1], tf.shape(made)[2]
    columns = tf.reshape(made, [-1, depth, height * width, channels])
    made = pool(columns, [window[0], 1], [strides[0], 1], padding)
    made = tf.reshape(made, [-1, tf.shape(made)[1], height, width, channels])
    made.set_shape([x.shape[0], None, None, None, x.shape[-1]])
    return made


def _sides(given: Any) -> list[int]:
    """Returns three sides from one number, three, or five with those of samples and channels."""
    sides = [int(given)] * 3 if isinstance(given, int) else [int(side) for side in given]
    return sides * 3 if len(sides) == 1 else sides[1:-1] if len(sides) == _RANK else sides
