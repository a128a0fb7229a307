"""Layers that prepare data, called eagerly inside of a model, as in the graph of `fit`.

In a graph, such as of `fit` and `predict`, Keras casts the numbers that a Resizing, a RandomFlip or
a Rescaling is given to the dtype of its policy. Called eagerly, the layer computes with whole
numbers, and rounds what it makes. A program trains in a graph, and a check calls its model eagerly:
inside of a model, numbers are cast as in a graph. A layer that is called by itself is as before.

Source: keras 3.15 `layers/preprocessing/data_layer.py` (`__call__`).
"""

from __future__ import annotations

import importlib
from functools import wraps
from typing import Any

import keras
import tensorflow as tf

from parity.halves.keras import versions

_MODULE = "keras.src.layers.preprocessing.data_layer"


def install() -> None:
    """Casts numbers inside of models from now on. Keras 2 has no such layers."""
    if versions.IS_KERAS_2:
        return
    kind: Any = importlib.import_module(_MODULE).DataLayer
    if not hasattr(kind.__call__, "_casts_inside"):
        kind.__call__ = _casting(kind.__call__)


def _casting(call: Any) -> Any:
    @wraps(call)
    def called(self: Any, inputs: Any, **keywords: Any) -> Any:
        if tf.executing_eagerly() and _is_inside():
            inputs = keras.tree.map_structure(lambda x: _cast(x, self.compute_dtype), inputs)
        return call(self, inputs, **keywords)

    called._casts_inside = True  # type: ignore[attr-defined]
    return called


def _is_inside() -> bool:
    """Whether a layer or a model is being called."""
    state: Any = importlib.import_module("keras.src.backend.common.global_state")
    return state.get_global_attribute("current_call_ctx") is not None


def _cast(value: Any, dtype: str) -> Any:
    is_number = tf.is_tensor(value) and value.dtype != tf.string
    return tf.cast(value, dtype) if is_number else value
