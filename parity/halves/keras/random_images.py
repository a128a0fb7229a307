"""Keras's layers that change images at random: which these are, their state, and their precision.

They compute in float32 between two casts. So a check in float64 has the random numbers and the
pixels of the program, and layers work whose operations TensorFlow has in float32 alone
(ImageProjectiveTransformV3), or which multiply numbers of both precisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.float64_functions import not_followed
from parity.halves.keras.loss_constants import constants_rounded

RANDOM_IMAGE = "random_image:"  # the start of the kinds of these layers


def is_random_image(layer: Any) -> bool:
    """Whether a layer is one of Keras's that change images at random; in Keras 2, none is known."""
    if versions.IS_KERAS_2 or not versions.is_kerass_own(layer):
        return False
    bases = {base.__name__ for base in type(layer).__mro__}
    return "BaseImagePreprocessingLayer" in bases and bool(_generators(layer))


def state_of(layer: Any) -> np.ndarray | None:
    """Returns seed and number of draws so far of such a layer; None if it has several generators.

    Args:
        layer: for which `is_random_image` holds.
    """
    generators = _generators(layer)
    one = len(generators) == 1
    return np.asarray(generators[0].state).astype(np.int64) if one else None


def generator_of(layer: Any) -> Any:
    """Returns the generator of a layer of any kind that draws by one; None for the others."""
    generator = getattr(layer, "seed_generator", None)
    if generator is None and is_random_image(layer):
        found = _generators(layer)
        generator = found[0] if len(found) == 1 else None
    return generator


def in_float32_images(call: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a call of such a layer with images in float32, and an output in the model's dtype.

    In eval mode most of them return what they get, so nothing is cast; nor is a symbolic tensor.

    Args:
        call: function of the layer, its arguments and its keywords.
    """
    return lambda layer, *arguments, **keywords: _called(call, layer, arguments, keywords)


def _called(call: Callable[..., Any], layer: Any, arguments: Any, keywords: Any) -> Any:
    dtype = layer.compute_dtype
    flat = tf.nest.flatten((arguments, keywords))
    is_symbolic = any(isinstance(value, keras.KerasTensor) for value in flat)
    if dtype != "float64" or is_symbolic or _is_off(layer, keywords):
        return call(layer, *arguments, **keywords)
    with _in_float32(layer):
        lowered = tf.nest.map_structure(_lowered, (arguments, keywords))
        output = call(layer, *lowered[0], **lowered[1])
    return tf.nest.map_structure(lambda x: tf.cast(x, dtype) if tf.is_tensor(x) else x, output)


@contextmanager
def _in_float32(layer: Any) -> Iterator[None]:
    """Lets a layer, its inner layers and Keras's default dtype be float32 in the block."""
    layers = list(layer._flatten_layers())
    before = [each.dtype_policy for each in layers]
    floatx = keras.config.floatx()
    keras.config.set_floatx("float32")
    for each in layers:
        each.dtype_policy = "float32"
    try:
        with not_followed(), constants_rounded():
            yield
    finally:
        for each, policy in zip(layers, before, strict=True):
            each.dtype_policy = policy
        keras.config.set_floatx(floatx)


def _is_off(layer: Any, keywords: Any) -> bool:
    """Whether a call is in eval mode; without a word of any caller, these layers train."""
    training = keywords.get("training")
    if training is None:
        training = getattr(layer._get_call_context(), "training", None)
    return training is not None and not training


def _lowered(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = tf.constant(value)
    is_double = tf.is_tensor(value) and value.dtype == tf.float64
    return tf.cast(value, tf.float32) if is_double else value


def _generators(layer: Any) -> list[Any]:
    found = (getattr(each, "generator", None) for each in layer._flatten_layers())
    return [generator for generator in found if hasattr(generator, "state")]
