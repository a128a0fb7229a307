"""The calls of a Keras model's layers in order, with inputs and outputs.

Layers are watched when Keras calls them, so Sequential, functional, nested and subclassed models
are all treated alike. A layer with an activation counts as two calls, its own and that of the
activation, since a PyTorch program writes two. A separable convolution counts as two as well: its
depthwise part and its pointwise part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.kinds import activation_kind, is_container, kind_of, kind_of_operation
from keras_impl.harness.rounding import moved

# These apply their activation last, to their output.
_ACTIVATED = {"conv", "depthwise_conv", "separable_conv", "conv_transpose", "dense"}
# The mask of these is their output for a tensor of ones.
_MASKED = {"dropout"}


@dataclass
class Call:
    """One call of a layer, or of its activation.

    Attributes:
        name: of the layer, with "#2" from the second call of a shared layer on; ends with
            ".activation" for the activation, and with ".depthwise" or ".pointwise" for a part of a
            separable convolution.
        kind: a word of `keras_impl/harness/kinds.py`: "conv", "activation:NAME", or
            "unknown:CLASS".
        layer: None for an activation, and for an operation that is not a layer.
        inputs: tensors, in the order of the arguments.
        output: tensor, or the first of several.
        mask: bool, what a dropout keeps in train mode; None for other layers.
        config: plain values of the layer's configuration.
        sources: what made each input: the number of a call, -1 for an input of the model, None
            if that was not watched.
        weights: the variables that the call uses.
    """

    name: str
    kind: str
    layer: keras.Layer | None
    inputs: list[Any]
    output: Any
    mask: np.ndarray | None = None
    config: dict[str, Any] = field(default_factory=dict)
    sources: list[int | None] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.layer is not None and not self.weights:
            self.weights = list(self.layer.weights)


class _Calls(list[Call]):
    """Calls in order; finds the sources of a call when it is added."""

    def __init__(self, given: Any, perturbation: int) -> None:
        super().__init__()
        self._generator = np.random.default_rng(perturbation) if perturbation else None
        self._made = {id(tensor): -1 for tensor in tf.nest.flatten(given)}
        self._alive = [given]  # so that no id is used twice

    def append(self, call: Call) -> None:
        for part in _parts(call):
            part.sources = [self._made.get(id(tensor)) for tensor in part.inputs]
            self._made[id(part.output)] = len(self)
            self._alive.append(part.output)
            super().append(part)

    def perturbed(self, kind: str, config: Any, given: Any, output: Any) -> Any:
        """Returns an output, in the perturbed pass as far off as float32 may make it."""
        if self._generator is None or not tf.is_tensor(output):
            return output
        return moved(kind, config, given, output, self._generator)


@contextmanager
def recorded_calls(given: Any = (), perturbation: int = 0) -> Iterator[list[Call]]:
    """Watches all layers inside the block, and yields a list to which each call is added.

    Args:
        given: inputs of the model.
        perturbation: 0, or a seed: layers that use float32 inside then return outputs that are
            perturbed by as much as float32 may change them.
    """
    calls = _Calls(given, perturbation)
    counts: dict[str, int] = {}
    depth = 0
    call_layer, call_operation = versions.Layer.__call__, versions.Operation.__call__

    def named(name: str) -> str:
        counts[name] = counts.get(name, 0) + 1
        return name if counts[name] == 1 else f"{name}#{counts[name]}"

    def watched_layer(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        nonlocal depth
        if depth or is_container(layer):
            return call_layer(layer, *arguments, **keywords)
        depth += 1
        try:
            return _call(layer, named(layer.name), calls, call_layer, arguments, keywords)
        finally:
            depth -= 1

    def watched_operation(operation: Any, *arguments: Any, **keywords: Any) -> Any:
        nonlocal depth
        if depth or isinstance(operation, versions.Layer):
            return call_operation(operation, *arguments, **keywords)
        depth += 1
        try:
            output = call_operation(operation, *arguments, **keywords)
        finally:
            depth -= 1
        kind = kind_of_operation(operation)
        inputs = _tensors((arguments, keywords))
        output = calls.perturbed(kind, {}, _given(inputs), output)
        calls.append(Call(named(operation.name), kind, None, inputs, _first(output)))
        return output

    # Keras looks both up on the class at every call, so the model itself is not changed.
    versions.Layer.__call__ = watched_layer
    versions.Operation.__call__ = watched_operation
    try:
        yield calls
    finally:
        versions.Layer.__call__ = call_layer
        versions.Operation.__call__ = call_operation


def _call(layer: Any, name: str, calls: _Calls, call: Any, arguments: Any, keywords: Any) -> Any:
    kind = kind_of(layer)
    inputs = _tensors((arguments, keywords))
    config = plain_config(layer)
    # A penalty on the output needs the whole output, activation included.
    activation: Any = getattr(layer, "activation", None) if kind in _ACTIVATED else None
    is_split = (
        activation is not None
        and activation is not keras.activations.linear
        and getattr(layer, "activity_regularizer", None) is None
    )
    if kind in _MASKED and layer.rate > 0 and versions.is_training(layer, keywords):
        mask, output = versions.dropped(layer, inputs[0])
        if output is None:
            output = call(layer, *arguments, **keywords)
        calls.append(Call(name, kind, layer, inputs, output, mask, config))
        return output
    if not is_split:
        is_norm = kind == "batch_norm" and versions.is_training(layer, keywords)
        with versions.moving_statistics(layer, inputs[0] if inputs else None, is_norm):
            output = call(layer, *arguments, **keywords)
        output = calls.perturbed(kind, config, _given(inputs), output)
        calls.append(Call(name, kind, layer, inputs, _first(output), config=config))
        return output
    layer.activation = keras.activations.linear
    try:
        linear = call(layer, *arguments, **keywords)
    finally:
        layer.activation = activation
    calls.append(Call(name, kind, layer, inputs, linear, config=config))
    kind = activation_kind(activation)
    output = calls.perturbed(kind, {}, linear, activation(linear))
    calls.append(Call(f"{name}.activation", kind, None, [linear], output))
    return output


def _parts(call: Call) -> list[Call]:
    """Splits a separable convolution into its two convolutions; returns other calls unchanged."""
    layer: Any = call.layer
    if call.kind != "separable_conv":
        return [call]
    middle = versions.depthwise(layer, call.inputs[0])
    depthwise = layer.depthwise_kernel
    ones = [1] * len(layer.kernel_size)
    plain = {"kernel_size": ones, "strides": ones, "dilation_rate": ones, "padding": "valid"}
    return [
        replace(
            call,
            name=f"{call.name}.depthwise",
            kind="depthwise_conv",
            output=middle,
            weights=[depthwise],
        ),
        replace(
            call,
            name=f"{call.name}.pointwise",
            kind="conv",
            inputs=[middle],
            config={**call.config, **plain},
            weights=[variable for variable in layer.weights if variable is not depthwise],
        ),
    ]


def plain_config(layer: keras.Layer) -> dict[str, Any]:
    """Returns the plain values of a layer's configuration, with initialisers and regularisers."""
    try:
        config = layer.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a user's layer may lack one
        return {}
    return {name: value for name, value in config.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def _tensors(values: Any) -> list[Any]:
    flat = tf.nest.flatten(values)
    return [value for value in flat if tf.is_tensor(value) or isinstance(value, np.ndarray)]


def _given(inputs: list[Any]) -> Any:
    return inputs[0] if inputs else None


def _first(output: Any) -> Any:
    return tf.nest.flatten(output)[0]
