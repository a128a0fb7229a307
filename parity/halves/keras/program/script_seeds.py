"""The seeds that a training script sets, replaced by one.

A script may set them by `keras.utils.set_random_seed`, `tf.random.set_seed`, `np.random.seed` and
`random.seed`. What Keras itself seeds, such as `flow(seed=...)` before each batch, stays as it is.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_LIBRARIES = ("keras", "tensorflow", "tf_keras")
_SET_ALL = keras.utils.set_random_seed  # that of Python, NumPy and TensorFlow
OF_TENSORFLOW = ("set_random_seed", "set_seed")  # which fix the order of samples, too
_OF_TF_KERAS = "keras._tf_keras.keras.utils"  # what `tf.keras.utils` is


@contextmanager
def seeded(
    seed: int | None, *, keeps_numpy: bool = False, noted: list[str] | None = None
) -> Iterator[None]:
    """Gives every call of the block that sets a seed, in code of the user, the same integer.

    Args:
        seed: the integer; None: every call keeps its own.
        keeps_numpy: whether NumPy gets the user's own integer all the same. Keras draws nothing
            from it, and a script makes its data by it, and numbers from these.
        noted: gets the names of the functions that were called, if there is a seed.
    """
    if seed is None:
        yield
        return
    before = [(owner, name, getattr(owner, name)) for owner, name in _places()]
    for owner, name, own in before:
        if not (keeps_numpy and owner is np.random):
            setattr(owner, name, _replaced(own, seed, keeps_numpy, noted))
    try:
        yield
    finally:
        for owner, name, own in before:
            setattr(owner, name, own)


def _places() -> Iterator[tuple[Any, str]]:
    """Yields the functions that set a seed, as (module, name)."""
    yield keras.utils, "set_random_seed"
    with suppress(ImportError):  # a Keras without it
        yield importlib.import_module(_OF_TF_KERAS), "set_random_seed"
    yield tf.random, "set_seed"
    yield tf.compat.v1, "set_random_seed"
    yield np.random, "seed"
    yield random, "seed"


def _replaced(
    own: Callable[..., Any], seed: int, keeps_numpy: bool, noted: list[str] | None
) -> Callable[..., Any]:
    sets_numpy = own is _SET_ALL

    def set_seed(*arguments: Any, **keywords: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if caller.partition(".")[0] in _LIBRARIES:
            return own(*arguments, **keywords)
        if noted is not None:
            noted.append(own.__name__)
        made = own(seed)
        if keeps_numpy and sets_numpy:
            np.random.seed(*arguments, **keywords)
        return made

    return set_seed
