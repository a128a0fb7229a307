"""Losses of the user's own that name float32, in a program of float64.

Code such as `ops.cast(y_true, "float32")`, and an object of Loss that was made before, mean the
dtype of the program, which float32 usually is. In a probe the program is in float64, with which
TensorFlow does not mix float32. Where code of a loss fails for that, float32 is float64 in it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import keras
import tensorflow as tf

from keras_impl.harness.casts import is_mixed
from keras_impl.harness.versions import IS_KERAS_2

_STANDARDIZING = ("keras.src.backend", "keras.src.backend.tensorflow.core")


def in_one_dtype(compute: Callable[[], Any]) -> Any:
    """Returns a loss; if its code mixes float32 with float64, it is computed in float64.

    Args:
        compute: computes the loss. It is called again if it fails for that.
    """
    try:
        return compute()
    except Exception as error:  # of the user's code
        if IS_KERAS_2 or keras.backend.floatx() != "float64" or not is_mixed(error):
            raise
    with float32_as_float64():
        return compute()


@contextmanager
def float32_as_float64() -> Iterator[None]:
    """Lets casts of Keras and TensorFlow to float32 be casts to float64."""
    modules = [importlib.import_module(name) for name in _STANDARDIZING]
    before = [module.standardize_dtype for module in modules]
    cast, convert = tf.cast, tf.convert_to_tensor

    def standardized(own: Callable[[Any], str]) -> Callable[[Any], str]:
        @wraps(own)
        def changed(dtype: Any) -> str:
            found = own(dtype)
            return "float64" if found == "float32" else found

        return changed

    @wraps(cast)
    def wider_cast(x: Any, dtype: Any, name: Any = None) -> Any:
        return cast(x, _wider(dtype), name)

    @wraps(convert)
    def wider_convert(value: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        return convert(value, _wider(dtype), *arguments, **keywords)

    for module, own in zip(modules, before, strict=True):
        module.standardize_dtype = standardized(own)  # type: ignore[attr-defined]
    tf.cast, tf.convert_to_tensor = wider_cast, wider_convert
    try:
        yield
    finally:
        tf.cast, tf.convert_to_tensor = cast, convert
        for module, own in zip(modules, before, strict=True):
            module.standardize_dtype = own  # type: ignore[attr-defined]


def _wider(dtype: Any) -> Any:
    is_single = dtype is not None and tf.as_dtype(dtype) == tf.float32
    return tf.float64 if is_single else dtype
