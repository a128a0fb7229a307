"""What is in float32 where no call of its own is seen: in a user's code, in wrapped layers.

In a perturbed pass, what is computed with such a constant, or in float32, is moved by as much as
that may change it, as `rounding.py` moves the output of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import tensorflow as tf

from parity.halves.keras.kinds import kind_of
from parity.halves.keras.layer_config import plain_config
from parity.halves.keras.rounding import Perturbation, moved, with_moved_constants

# Functions of tf.nn that compute with a constant in float32: those of keras.ops call them.
_FUNCTIONS = ("leaky_relu", "gelu")
# Layers that do so.
_LAYERS = ("rescaling", "normalization")


@contextmanager
def moved_functions(perturbation: Perturbation, is_inside: Callable[[], bool]) -> Iterator[None]:
    """Moves what such functions return in the block.

    Args:
        perturbation: of the pass.
        is_inside: whether the code that runs is that of a user, or of a layer inside of a wrapper.
    """
    before = {name: getattr(tf.nn, name) for name in _FUNCTIONS}
    resize, generator = tf.image.resize, np.random.default_rng(perturbation.seed)

    def moving(name: str, function: Any) -> Any:
        @wraps(function)
        def called(features: Any, *arguments: Any, **keywords: Any) -> Any:
            output = function(features, *arguments, **keywords)
            if not is_inside():
                return output
            kind = f"activation:{name}"
            sign = perturbation.sign_of(kind)
            return with_moved_constants(kind, {}, features, output, sign)

        return called

    @wraps(resize)
    def resized(images: Any, *arguments: Any, **keywords: Any) -> Any:
        """Moves what TensorFlow computes in float32, whatever it is given, but the nearest."""
        output = resize(images, *arguments, **keywords)
        method = arguments[1] if len(arguments) > 1 else keywords.get("method", "bilinear")
        if not is_inside() or output.dtype != tf.float32 or not output.shape.is_fully_defined():
            return output
        # In float64, in which it goes on: a unit in the last place of float32 would be rounded off.
        config, given = {"interpolation": method}, tf.cast(output, tf.float64)
        sign = perturbation.sign_of("upsampling")
        return moved("upsampling", config, images, given, generator, sign=sign)

    for name, function in before.items():
        setattr(tf.nn, name, moving(name, function))
    tf.image.resize = resized
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(tf.nn, name, function)
        tf.image.resize = resize


def moved_layer(perturbation: Perturbation, layer: Any, given: Any, output: Any) -> Any:
    """Returns the output of a layer inside of a wrapper, moved if it has such a constant."""
    kind = kind_of(layer)
    if kind not in _LAYERS or not tf.is_tensor(output):
        return output
    sign = perturbation.sign_of(kind)
    return with_moved_constants(kind, plain_config(layer), given, output, sign)
