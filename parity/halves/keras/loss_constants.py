"""What a loss has in float32: constants, which a port may write with all of their digits.

Keras makes float32 tensors of numbers of Python where no other tensor tells the dtype, such as the
log(2) of LogCosh, or quantiles that a loss of the user's casts. And torch's softplus is the
identity from 20 on. In a perturbed pass, the loss is moved towards what it is without either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import tensorflow as tf

from parity.ladder.rounding import NOISE_FACTOR, SOFTPLUS_LIMIT

_rounds = False  # whether Python's numbers are float32 as ever, though a block says else

# What another pass of a loss raises if numbers of two dtypes meet in it.
_MIXED = (TypeError, ValueError, tf.errors.InvalidArgumentError)


def moved_loss(compute: Callable[[], Any]) -> Any:
    """Returns a loss, moved by as much as its constants may change it.

    Args:
        compute: returns the loss, float64, of any shape. It is called twice.
    """
    value = compute()
    try:
        with constants_as_written():
            written = compute()
    except _MIXED:  # the user's code has a tensor in float32, which does not mix with float64
        return value
    # Twice, since a derivative may have a constant twice; it is rounded once, in each operation.
    return value + (written - value) * (2 / NOISE_FACTOR)


@contextmanager
def constants_as_written() -> Iterator[None]:
    """Makes float64 tensors of numbers of Python in the block, and softplus that of torch."""
    convert, cast = tf.convert_to_tensor, tf.cast
    softplus = {module: module.softplus for module in (tf.math, tf.nn)}

    @wraps(convert)
    def converted(value: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        is_kept = dtype is None and not _rounds
        return convert(_kept(value) if is_kept else value, dtype, *arguments, **keywords)

    @wraps(cast)
    def kept_cast(x: Any, dtype: Any, name: Any = None) -> Any:
        return cast(x if _rounds else _kept(x), dtype, name)

    @wraps(softplus[tf.math])
    def limited(features: Any, name: Any = None) -> Any:
        given = convert(features)
        return tf.where(given > SOFTPLUS_LIMIT, given, softplus[tf.math](given, name))

    tf.convert_to_tensor, tf.cast = converted, kept_cast
    for module in softplus:
        module.softplus = limited
    try:
        yield
    finally:
        tf.convert_to_tensor, tf.cast = convert, cast
        for module, function in softplus.items():
            module.softplus = function


@contextmanager
def constants_rounded() -> Iterator[None]:
    """Lets numbers of Python be float32 in the block, inside of one in which they are not."""
    global _rounds
    before, _rounds = _rounds, True
    try:
        yield
    finally:
        _rounds = before


def _kept(value: Any) -> Any:
    """Returns numbers of Python as float64, and everything else as it is."""
    if isinstance(value, float):
        return np.float64(value)
    is_plain = isinstance(value, list | tuple) and not any(
        hasattr(each, "dtype") for each in tf.nest.flatten(value)
    )
    if not is_plain:
        return value
    array = np.asarray(value)
    return array if array.dtype.kind == "f" else value
