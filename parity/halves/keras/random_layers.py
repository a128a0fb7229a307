"""Layers and code of a Keras program that draw random numbers: images, dropouts, masks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.float64 import not_followed
from parity.halves.keras.loss_constants import constants_rounded

# --------------------------------------------------------------------------------------------------
#
# Keras's layers that change images at random: which these are, their state, and their precision.
#
# They compute in float32 between two casts. So a check in float64 has the random numbers and the
# pixels of the program, and layers work whose operations TensorFlow has in float32 alone
# (ImageProjectiveTransformV3), or which multiply numbers of both precisions.


RANDOM_IMAGE = "random_image:"  # the start of the kinds of these layers


def is_random_image(layer: Any) -> bool:
    """Whether a layer is one of Keras's that change images at random; in Keras 2, none is known."""
    if versions.IS_KERAS_2 or not versions.is_from_keras(layer):
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


# --------------------------------------------------------------------------------------------------
#
# Dropouts of the user's own: subclasses of Keras's, and layers that drop in eval mode, too.
#
# A layer with its input and output goes in. Its mask comes out, if it is nothing but a dropout.


_RATE = "_parity_rate"  # attribute of a layer that was seen to drop in eval mode
_FLOAT32 = 1e-6  # what is left of a product in float32, relative to the largest value


def is_custom_dropout(layer: Any) -> bool:
    """Whether a layer is a subclass of the user's of Keras's Dropout."""
    return isinstance(layer, keras.layers.Dropout) and not versions.is_from_keras(layer)


def rate_of(layer: Any, given: Any, output: Any, *, draws_in_eval: bool) -> float | None:
    """Returns the rate of a dropout of the user's; None if a layer is none.

    A layer that only draws in train mode is none, unless it is a subclass: in eval mode, where the
    nodes of a model are told, nothing shows what it is.

    Args:
        layer: that was called.
        given: its input.
        output: what it made of it.
        draws_in_eval: whether the call was in eval mode, and drew. What it makes then decides, also
            for later calls of the same layer.
    """
    if versions.is_from_keras(layer):
        return None
    if is_custom_dropout(layer):
        return float(layer.rate)
    if draws_in_eval:
        vars(layer)[_RATE] = _dropout_rate(given, output)
    found: float | None = vars(layer).get(_RATE)
    return found


def _dropout_rate(given: Any, output: Any) -> float | None:
    """Returns the rate of which a dropout makes an output; None if no rate does."""
    x, y = np.asarray(given, np.float64), np.asarray(output, np.float64)
    if x.shape != y.shape or not y.any():
        return None
    kept = y != 0
    factor = float((x[kept] * y[kept]).sum() / (x[kept] ** 2).sum())
    rate = round(1 - 1 / factor, 6) if factor > 1 else 0.0
    is_dropout, mask = kept_entries(given, output, rate)
    return rate if is_dropout and mask is not None else None


def kept_entries(given: Any, output: Any, rate: float) -> tuple[bool, np.ndarray | None]:
    """Returns whether a layer is a dropout in this call, and which entries it keeps.

    Without a mask it is off. A mask may keep all: what is kept is scaled. An entry that is 0 counts
    as kept: whether it is dropped changes nothing.

    Args:
        given: input of the layer, (N, ...).
        output: what it made of it.
        rate: of the layer.
    """
    x, y = np.asarray(given, np.float64), np.asarray(output, np.float64)
    if x.shape != y.shape:
        return False, None
    largest = _FLOAT32 * np.abs(x).max(initial=0)
    if np.abs(y - x).max(initial=0) <= largest:
        return True, None
    if not 0 < rate < 1:
        return False, None
    kept = (y != 0) | (x == 0)
    rest = np.abs(y - np.where(kept, x / (1 - rate), 0)).max(initial=0)
    return (True, kept) if rest * (1 - rate) <= largest else (False, None)


# --------------------------------------------------------------------------------------------------
#
# Random numbers that the user's own code draws in a Keras program, as TensorFlow made them.
#
# A kind of operation goes in. What it draws comes out, in words that both halves know: a port that
# draws numbers of the same distribution can be given Keras's.


NORMAL, UNIFORM, INTEGERS = "normal", "uniform", "integers"
OTHER = "other"  # of a distribution that is not told to a port

# Operations of TensorFlow. Normal numbers are standard, uniform ones from 0 to 1.
_KINDS = {
    "RandomStandardNormal": NORMAL,
    "StatelessRandomNormal": NORMAL,
    "RandomUniform": UNIFORM,
    "StatelessRandomUniform": UNIFORM,
    "RandomUniformInt": INTEGERS,
    "StatelessRandomUniformInt": INTEGERS,
}
_DRAWS = re.compile("Random|Multinomial|TruncatedNormal|^Rng")
_OF_STATE = re.compile("GetKeyCounter|GetAlg|ReadAndSkip")  # they move a generator on


@dataclass(frozen=True)
class Draw:
    """Numbers that were drawn.

    Attributes:
        layer: name of the layer that drew them, "" outside of all.
        kind: NORMAL, UNIFORM, INTEGERS or OTHER.
        values: as they were drawn, before they were scaled.
    """

    layer: str
    kind: str
    values: np.ndarray


def kind_of_draw(operation: str) -> str | None:
    """Returns what an operation of TensorFlow draws; None if it draws nothing."""
    if not _DRAWS.search(operation) or _OF_STATE.search(operation):
        return None
    return _KINDS.get(re.sub(r"V\d+$", "", operation), OTHER)


# --- Masks of float32 in float64: so that a step in either precision drops the same values --------
#
# TensorFlow draws other random numbers in float64. A float32 training that is repeated in float64
# is to be the same training, its masks included.


@contextmanager
def float32_masks() -> Iterator[None]:
    """Makes the dropout layers that are called in the block draw their masks as in float32."""
    # A layer looks this function up when it is called.
    random: Any = keras.src.backend.random
    dropout = random.dropout

    def drawn_in_float32(
        inputs: tf.Tensor, rate: float, noise_shape: Any = None, seed: Any = None
    ) -> tf.Tensor:
        ones = tf.ones_like(inputs, dtype=tf.float32)
        keep = dropout(ones, rate, noise_shape=noise_shape, seed=seed) > 0
        # A product with the mask would turn a dropped infinity into NaN.
        return tf.where(keep, inputs * (1 / (1 - rate)), tf.zeros((), inputs.dtype))

    random.dropout = drawn_in_float32
    try:
        yield
    finally:
        random.dropout = dropout


# --- Which samples a layer keeps, as stochastic depth does ----------------------------------------


def kept_samples(given: Any, output: Any) -> tuple[np.ndarray | None, float]:
    """Returns which samples a layer keeps, if it drops some and multiplies the others by a number.

    Stochastic depth does so.

    Args:
        given: input of the layer, (N, ...).
        output: what it made of it.

    Returns:
        The mask (N, ...), equal for all values of a sample, and the number, 0 if nothing is kept;
        None and 0 if the layer does something else.
    """
    x, y = np.asarray(given, np.float64), np.asarray(output, np.float64)
    if x.shape != y.shape or x.ndim < 2:
        return None, 0.0
    rows, made = x.reshape(len(x), -1), y.reshape(len(y), -1)
    kept = np.asarray(made.any(axis=1))
    length = float((rows[kept] ** 2).sum())
    factor = float((rows[kept] * made[kept]).sum()) / length if length else 0.0
    rest = np.abs(made - np.where(kept[:, None], rows * factor, 0)).max(initial=0)
    if factor < 0 or rest > _FLOAT32 * np.abs(made).max(initial=0):
        return None, 0.0
    return np.broadcast_to(kept.reshape(-1, *[1] * (x.ndim - 1)), x.shape), factor
