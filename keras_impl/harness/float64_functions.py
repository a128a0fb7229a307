"""Lets code of the user's outside of layers, such as a `train_step`, compute in float64.

TensorFlow's functions make float32 tensors unless they are told otherwise, and refuse to mix them
with float64. In the block, they make float64 tensors for the user's code, and a cast to float32 is
one to float64. Keras's own code gets what it asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import tensorflow as tf

# Functions that make numbers, and at which place they take the dtype, which is float32 by default.
_MAKERS = (
    (tf.random, "normal", 3),
    (tf.random, "truncated_normal", 3),
    (tf.random, "uniform", 3),
    (tf.random, "stateless_normal", 4),
    (tf.random, "stateless_truncated_normal", 4),
    (tf.random, "stateless_uniform", 4),
    (tf, "ones", 1),
    (tf, "zeros", 1),
    (tf, "eye", 3),
)
_NOT_THE_USERS = ("keras", "tensorflow", "tf_keras")


@contextmanager
def functions_in_float64() -> Iterator[None]:
    """Makes functions of TensorFlow compute in float64 in the block."""
    changed = [(module, name, _made(getattr(module, name), at)) for module, name, at in _MAKERS]
    changed += [(tf, "cast", _cast(tf.cast)), (tf, "constant", _constant(tf.constant))]
    before = [(module, name, getattr(module, name)) for module, name, _ in changed]
    for module, name, function in changed:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def _is_by_user() -> bool:
    """Whether the function two frames further up, which calls a function here, is the user's."""
    caller = str(sys._getframe(2).f_globals.get("__name__", ""))
    return caller.partition(".")[0] not in _NOT_THE_USERS


def _wider(dtype: Any) -> Any:
    return tf.float64 if tf.as_dtype(dtype) in (tf.float32, tf.float16, tf.bfloat16) else dtype


def _made(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    @wraps(function)
    def made(*arguments: Any, **keywords: Any) -> Any:
        if not _is_by_user():
            return function(*arguments, **keywords)
        if len(arguments) > at:
            given = [*arguments[:at], _wider(arguments[at]), *arguments[at + 1 :]]
            return function(*given, **keywords)
        return function(
            *arguments, **keywords | {"dtype": _wider(keywords.get("dtype", "float32"))}
        )

    return made


def _cast(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def cast(x: Any, dtype: Any, name: Any = None) -> Any:
        return function(x, _wider(dtype) if _is_by_user() else dtype, name)

    return cast


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def constant(value: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        if _is_by_user():
            is_plain = dtype is None and not hasattr(value, "dtype")
            if is_plain and np.asarray(value).dtype.kind == "f":
                dtype = tf.float64
            dtype = dtype if dtype is None else _wider(dtype)
        return function(value, dtype, *arguments, **keywords)

    return constant
