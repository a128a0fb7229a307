"""What a call of a layer is given beside its inputs: its configuration, and masks of sequences."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.kinds import kernel_inputs


def plain_config(layer: keras.Layer) -> dict[str, Any]:
    """Returns the plain values of a layer's configuration, with initialisers and regularisers."""
    try:
        config = layer.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a user's layer may lack one
        return {}
    plain = {name: value for name, value in config.items() if is_plain(value)}
    if type(layer).__name__ == "EinsumDense":
        plain["kernel_inputs"] = kernel_inputs(layer)
    return plain


def is_plain(value: Any) -> bool:
    """Whether a value is a number, text, None, or lists and dictionaries of these."""
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def given_masks_of(inputs: list[Any], told: Any) -> list[Any]:
    """Returns the mask of each input: one that the call was told, or else that which it carries."""
    own = list(map(versions.mask_of, inputs))
    by_hand = [] if told is None else tf.nest.flatten(told)
    return [*by_hand[: len(own)], *own[len(by_hand) :]]
