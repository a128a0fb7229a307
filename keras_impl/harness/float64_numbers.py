"""Numbers of Python in float64, which TensorFlow makes float32 whatever Keras's dtype is.

`keras.ops.log(1000.0)` and `keras.ops.linspace` of it are float32 in a float64 run, and what comes
of them is rounded as a float32 run would round it: an angle of 6283 x is off by 1e-4. The same code
is to be computed in float64 throughout. Keras 3 only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakSet

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from parity.ladder.tolerance import NOISE_FACTOR

# Whose operations look the function up by its name. A cast does not: `core`.
_MODULES = ("", ".numpy", ".math")
_rounded: WeakSet[Any] = WeakSet()  # layers whose constants are moved


def install() -> None:
    """Lets Keras's operations keep numbers in float64 from now on, in float64 runs alone."""
    if versions.IS_KERAS_2:
        return
    for name in _MODULES:
        module: Any = importlib.import_module(f"keras.src.backend.tensorflow{name}")
        if not hasattr(module.convert_to_tensor, "_keeps_numbers"):
            module.convert_to_tensor = _keeping_numbers(module.convert_to_tensor)
    mel: Any = getattr(keras.layers, "MelSpectrogram", None)
    if mel and not hasattr(mel.linear_to_mel_weight_matrix, "_keeps_numbers"):
        mel.linear_to_mel_weight_matrix = _in_dtype_of_layer(mel.linear_to_mel_weight_matrix)


def move_constants(layer: Any) -> None:
    """Moves what a mel spectrogram keeps in float32 in a float32 run: its window and its matrix.

    The noise that this leaves, times what a port may differ by, is twice the difference.
    """
    if type(layer).__name__ != "MelSpectrogram" or not versions.is_kerass_own(layer):
        return
    _rounded.add(layer)
    windows = {"hann": tf.signal.hann_window, "hamming": tf.signal.hamming_window}
    if layer.window in windows:
        window = windows[layer.window](layer.sequence_length, periodic=True, dtype=tf.float64)
        layer.window = _moved(window.numpy())


def _moved(exact: np.ndarray) -> np.ndarray:
    """Returns constants moved towards what float32 makes of them."""
    rounded = exact.astype(np.float32).astype(np.float64)
    return np.asarray(exact + (rounded - exact) * 2 / NOISE_FACTOR)


def _keeping_numbers(convert: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(convert)
    def converted(x: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        if dtype is None and isinstance(x, float) and keras.config.floatx() == "float64":
            dtype = "float64"
        return convert(x, dtype, *arguments, **keywords)

    converted._keeps_numbers = True  # type: ignore[attr-defined]
    return converted


def _in_dtype_of_layer(matrix: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method of MelSpectrogram whose matrix is float64 if the layer is."""

    @wraps(matrix)
    def made(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if layer.compute_dtype != "float64":
            return matrix(layer, *arguments, **keywords)
        exact = matrix(layer, *arguments, **{"dtype": "float64", **keywords})
        return _moved(exact.numpy()) if layer in _rounded else exact

    made._keeps_numbers = True  # type: ignore[attr-defined]
    return made
