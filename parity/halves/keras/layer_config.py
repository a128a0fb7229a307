"""The plain values of the configuration of a layer, an operation or an activation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.attention import kernel_inputs
from parity.halves.keras.kinds import RECURRENT, kind_of

_CONSTANTS = ("alpha", "negative_slope")  # of activations


def plain_config(layer: keras.Layer) -> dict[str, Any]:
    """Returns the plain values of a layer's configuration, with initialisers and regularisers."""
    try:
        config = layer.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a user's layer may lack one
        return {}
    if kind_of(layer) in RECURRENT and isinstance(config.get("cell"), dict):
        config = {**config["cell"]["config"], **config}  # of an RNN with one cell
    plain = _plain_values(config)
    if type(layer).__name__ == "EinsumDense":
        plain["kernel_inputs"] = kernel_inputs(layer)
    return plain


def operation_config(operation: Any) -> dict[str, Any]:
    """Returns the constants of an operation that is an activation, and the axis of a softmax."""
    held = {name: getattr(operation, name, None) for name in _CONSTANTS}
    found = {name: value for name, value in held.items() if isinstance(value, float)}
    if type(operation).__name__ == "Softmax" and isinstance(operation.axis, int):
        found["axis"] = operation.axis
    return found


def activation_config(activation: Any) -> dict[str, Any]:
    """Returns the plain arguments of an activation: of a layer, or of functools.partial."""
    if isinstance(activation, versions.Layer):
        return plain_config(activation)
    given = activation.keywords if isinstance(activation, partial) else {}
    return _plain_values(given)


def _plain_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that are plain values; NumPy's numbers become Python's."""
    return {
        name: tf.nest.map_structure(versions.python_number, value)
        for name, value in settings.items()
        if _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, bool | int | float | str | np.generic)
