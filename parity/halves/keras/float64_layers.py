"""Layers and penalties in float64, where TensorFlow or Keras has float32 alone.

TensorFlow resizes in float32. For float64 images, some of its kernels have no gradient; they are
cast first, which the kernels do as well. MelSpectrogram subtracts a float32 constant, which
TensorFlow refuses. So is the factor of an OrthogonalRegularizer, which stays rounded to float32.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def install() -> None:
    """Lets these layers compute in float64 from now on; all else is as before."""
    if not hasattr(tf.image.resize, "_has_float64"):
        tf.image.resize = _resizing(tf.image.resize)
    kind: Any = getattr(keras.layers, "MelSpectrogram", None)  # Keras 2 has none
    if kind is not None and not hasattr(kind._dbscale, "_has_float64"):
        kind._dbscale = _scaling(kind._dbscale)
    kind = getattr(keras.regularizers, "OrthogonalRegularizer", None)
    if kind is not None and not hasattr(kind.__call__, "_has_float64"):
        kind.__call__ = _penalty(kind.__call__)


def _resizing(resize: Any) -> Any:
    @wraps(resize)
    def resized(images: Any, *arguments: Any, **keywords: Any) -> Any:
        method = keywords.get("method", "bilinear")
        if tf.is_tensor(images) and images.dtype == tf.float64 and method != "nearest":
            images = tf.cast(images, tf.float32)
        return resize(images, *arguments, **keywords)

    resized._has_float64 = True  # type: ignore[attr-defined]
    return resized


def _scaling(scale: Any) -> Any:
    @wraps(scale)
    def scaled(self: Any, inputs: Any) -> Any:
        given = self.ref_power
        self.ref_power = np.asarray(given, keras.backend.standardize_dtype(inputs.dtype))
        try:
            return scale(self, inputs)
        finally:
            self.ref_power = given

    scaled._has_float64 = True  # type: ignore[attr-defined]
    return scaled


def _penalty(penalty: Any) -> Any:
    @wraps(penalty)
    def called(self: Any, inputs: Any) -> Any:
        self.factor = tf.cast(self.factor, inputs.dtype)
        return penalty(self, inputs)

    called._has_float64 = True  # type: ignore[attr-defined]
    return called
