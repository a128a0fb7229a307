"""Computes in float64 what a program pins to another dtype, and notes initial values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import keras
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.float64 import calling, functions_in_float64
from parity.halves.keras.random_layers import in_float32_images, is_random_image
from parity.traces.facts import Notice

# --- The initialisers that variables began with; a layer of the user keeps them nowhere else ------


_NAME = "_parity_initializer"


@contextmanager
def initializers_noted() -> Iterator[None]:
    """Notes the initialiser of every variable that is made in the block; Keras 3 only."""
    if versions.IS_KERAS_2:
        yield
        return
    kind: Any = keras.Variable
    before = kind.__init__

    def made(variable: Any, initializer: Any, *arguments: Any, **options: Any) -> None:
        before(variable, initializer, *arguments, **options)
        if callable(initializer):  # and not the values
            setattr(variable, _NAME, initializer)

    kind.__init__ = made
    try:
        yield
    finally:
        kind.__init__ = before


def noted_initializer(variable: Any) -> Any:
    """Returns the initialiser of a variable; None if it is not known, or began with values."""
    return getattr(variable, _NAME, None)


# --------------------------------------------------------------------------------------------------
#
# Computes in float64 what a program pins to another dtype, and notes which layers that are.
#
# A layer may ask for float32 (`Activation("softmax", dtype="float32")`, a mixed policy); it is
# built in float64. What code of the user's asks for is followed by `float64.py`.


_without_kernel: WeakSet[Any] = WeakSet()  # layers with an operation that has none
_images: WeakSet[Any] = WeakSet()  # layers that change images at random
_pinned: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # layers -> another dtype they ask for
_inside: WeakSet[Any] = WeakSet()  # layers that make float32


@contextmanager
def in_float64() -> Iterator[None]:
    """Builds and calls every layer of the block in float64, whatever dtype it asks for.

    What its variables begin with is noted (`casts.py`).
    """
    layer_class, input_class = versions.Layer, keras.layers.InputLayer
    before = layer_class.__init__, input_class.__init__, layer_class.add_weight
    call_layer = layer_class.__call__

    @wraps(before[0])
    def init(layer: Any, *arguments: Any, dtype: Any = None, **keywords: Any) -> None:
        asked = versions.global_policy() if dtype is None else dtype
        is_pinned = _is_other_float(asked)
        before[0](layer, *arguments, dtype="float64" if is_pinned else dtype, **keywords)
        if is_pinned:
            _pinned[layer] = _name_of(asked)

    @wraps(before[1])
    def init_input(layer: Any, *arguments: Any, **keywords: Any) -> None:
        if _is_other_float(keywords.get("dtype")):
            keywords["dtype"] = "float64"
        before[1](layer, *arguments, **keywords)

    @wraps(before[2])
    def add_weight(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if _is_other_float(keywords.get("dtype")):
            _pinned[layer] = _name_of(keywords["dtype"])
            keywords["dtype"] = "float64"
        return before[2](layer, *arguments, **keywords)

    @wraps(call_layer)
    def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        return called(call_layer, layer, arguments, keywords)

    for wrapped, original in ((init, before[0]), (init_input, before[1])):
        # Keras reads the names of arguments from it, and does not follow `wraps`.
        wrapped.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    layer_class.__init__, input_class.__init__ = init, init_input
    layer_class.add_weight = add_weight
    layer_class.__call__ = call
    try:
        with initializers_noted(), functions_in_float64():
            yield
    finally:
        layer_class.__init__, input_class.__init__, layer_class.add_weight = before
        layer_class.__call__ = call_layer


def called(call: Any, layer: Any, arguments: Any, keywords: Any) -> Any:
    """Calls a layer, and notes whether an operation of it has no kernel for float64.

    Args:
        call: function of the layer, its arguments and its keywords.
        layer: of any kind.
        arguments: of the call.
        keywords: of the call.
    """
    if is_random_image(layer):
        _images.add(layer)
        call = in_float32_images(call)
    with calling(layer, _without_kernel.add):
        return call(layer, *arguments, **keywords)


def lifted(layer: Any, output: Any) -> Any:
    """Returns the output of a layer in float64; notes a layer that makes another one.

    Args:
        layer: None for an operation that is no layer.
        output: a tensor, or several.
    """
    tensors = [value for value in tf.nest.flatten(output) if tf.is_tensor(value)]
    if not any(_is_other_float(value.dtype) for value in tensors):
        return output
    if layer is not None:
        _inside.add(layer)
    return tf.nest.map_structure(_lifted, output)


def is_float32_inside(layer: Any) -> bool:
    """Whether the code of a layer computes in float32."""
    return layer in _inside or layer in _without_kernel


def cast_layers(model: keras.Model) -> list[str]:
    """Returns the layers that asked for another dtype, none if all did: so do loaded models."""
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if layer.built and not isinstance(layer, keras.layers.InputLayer)
    ]
    pinned = [layer.name for layer in layers if layer in _pinned]
    return pinned if len(pinned) < len(layers) or len(layers) == 1 else []


def float32_layers(model: keras.Model) -> list[str]:
    """Returns the layers whose code computes in float32."""
    return [layer.name for layer in model._flatten_layers() if is_float32_inside(layer)]


def left_out(model: keras.Model) -> list[Notice]:
    """Returns what a check leaves out of such layers: how they round."""
    found: list[Notice] = []
    for layer in model._flatten_layers():
        if layer in _without_kernel:
            why = (
                "TensorFlow has no kernel for it in float64: it computes in float32, and what that "
                "rounds is allowed the port"
            )
            found.append({"what": f"{layer.name} in float64", "why": why})
    if images := [layer.name for layer in model._flatten_layers() if layer in _images]:
        why = "their random numbers and their pixels are those of float32, as in the program"
        found.append({"what": f"{', '.join(images)} in float64", "why": why})
    asked: dict[str, list[str]] = {}
    pinned = cast_layers(model)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        dtype = _pinned.get(layer, "float32")
        if layer.name in pinned or dtype != "float32":  # the default; loaded models ask for it
            asked.setdefault(dtype, []).append(layer.name)
    for dtype, names in asked.items():
        why = f"the program asks for {dtype} there; a check computes the same in float64"
        found.append({"what": f"how {', '.join(names)} round", "why": why})
    return found


def _is_other_float(dtype: Any) -> bool:
    """Whether a dtype, a policy or its configuration is a floating type but float64."""
    return re.fullmatch(r"(mixed_)?b?float(16|32)", _name_of(dtype)) is not None


def _name_of(dtype: Any) -> str:
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    return str(getattr(dtype, "name", getattr(dtype, "__name__", dtype)))


def _lifted(value: Any) -> Any:
    if not tf.is_tensor(value) or not _is_other_float(value.dtype):
        return value
    cast = tf.cast(value, tf.float64)
    mask = getattr(value, "_keras_mask", None)
    if mask is not None:
        cast._keras_mask = mask
    return cast
