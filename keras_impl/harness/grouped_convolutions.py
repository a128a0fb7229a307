"""Grouped convolutions that are compiled once, and not in every call.

TensorFlow has no grouped convolution for processors, so that Keras compiles each call of one with
XLA: in `fit` once for all steps, but without a compiled step anew in every pass. In the block,
calls of the same settings and shapes share what was compiled, with the same numbers bit by bit.

Source: keras 3.15 `backend/tensorflow/nn.py` (`conv`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf

from keras_impl.harness import versions


@contextmanager
def grouped_convolutions_compiled_once() -> Iterator[None]:
    """Lets calls of grouped convolutions share what is compiled in the block. Keras 3 only."""
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
    own: Any, compiled: dict[str, Any], inputs: Any, kernel: Any, *given: Any, **named: Any
) -> Any:
    """Returns a convolution, as Keras's `conv` does.

    Args:
        own: Keras's function.
        compiled: by settings and shapes; is added to.
        inputs: images, channels last or first.
        kernel: tensor or variable.
        *given: other arguments of Keras's function.
        **named: likewise.
    """
    channels = {inputs.shape[1], inputs.shape[-1]}
    if not tf.executing_eagerly() or kernel.shape[-2] in channels:
        return own(inputs, kernel, *given, **named)
    kernel = tf.convert_to_tensor(kernel)
    key = repr((given, sorted(named.items()), inputs.shape, kernel.shape, inputs.dtype))
    if key not in compiled:
        compiled[key] = tf.function(
            lambda x, weights: own(x, weights, *given, **named), jit_compile=True, autograph=False
        )
    return compiled[key](inputs, kernel)
