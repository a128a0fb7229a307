"""The calls of a Keras model's layers in order, with inputs and outputs.

Layers are watched when Keras calls them, so Sequential, functional, nested and subclassed models
are all treated alike. A layer with an activation counts as two calls, its own and that of the
activation, since a PyTorch program writes two. A separable convolution counts as two as well: its
depthwise part and its pointwise part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.casts import called, is_float32_inside, lifted
from keras_impl.harness.kinds import (
    RECURRENT,
    activation_kind,
    is_container,
    kind_of,
    kind_of_operation,
)
from keras_impl.harness.recurrent_masks import cells_of, drawn
from keras_impl.harness.rounding import Perturbation, moved
from keras_impl.harness.stacked_cells import layers_of, states_of

# These apply their activation last, to their output.
_ACTIVATED = {"conv", "depthwise_conv", "separable_conv", "conv_transpose", "dense"}
# The mask of these is their output for a tensor of ones.
_MASKED = {"dropout"}
# Operations of TensorFlow that draw: RandomUniform, StatelessRandomNormalV2, RngReadAndSkip, ...
_DRAWS = re.compile("Random|Multinomial|TruncatedNormal|^Rng")
_FLOAT32 = 1e-6  # what is left of a product in float32, relative to the largest value


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
        again: of an activation, what it makes of another first input; None for other calls.
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
    again: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if self.layer is not None and not self.weights:
            self.weights = list(self.layer.weights)


class Calls(list[Call]):
    """Calls in order; finds the sources of a call when it is added.

    Attributes:
        drew: name of a layer -> its class, of all that drew random numbers but plain dropouts.
        used_masks: name of a layer -> its class, of all that used a mask of sequences.
        mask_tries: how many masks a dropout may draw in one call.
        factors: name -> by what a layer other than a dropout multiplied the samples it kept.
    """

    def __init__(self, given: Any, perturbation: Perturbation | None, mask_tries: int) -> None:
        super().__init__()
        self.mask_tries = mask_tries
        self.drew: dict[str, str] = {}
        self.used_masks: dict[str, str] = {}
        self.factors: dict[str, float] = {}
        self.open: list[tuple[str, Any]] = []  # names and layers of the calls that have not ended
        self._perturbation = perturbation
        self._generator = np.random.default_rng(perturbation.seed if perturbation else 0)
        self._made = {id(tensor): -1 for tensor in tf.nest.flatten(given)}
        self._alive = [given]  # so that no id is used twice

    def append(self, call: Call) -> None:
        """Adds a call, or the two of a separable convolution."""
        for part in _parts(call):
            part.sources = [self._made.get(id(tensor)) for tensor in part.inputs]
            self._made[id(part.output)] = len(self)
            self._alive.append(part.output)
            super().append(part)

    def made_beside(self, output: Any) -> None:
        """Gives what the last call made beside its first output, such as states, that call."""
        for other in tf.nest.flatten(output)[1:]:
            self._made[id(other)] = len(self) - 1
            self._alive.append(other)

    def perturbed(self, kind: str, config: Any, given: Any, output: Any) -> Any:
        """Returns an output, in the perturbed pass as far off as float32 may make it."""
        if self._perturbation is None or not tf.is_tensor(output):
            return output
        return moved(kind, config, given, output, self._generator, self._perturbation.dtype)

    def note_operation(self, kind: str) -> None:
        """Notes who runs an operation of TensorFlow that draws random numbers."""
        if self.open and _DRAWS.search(kind):
            name, layer = self.open[-1]
            if kind_of(layer) not in _MASKED:
                self.drew[name] = type(layer).__name__


@contextmanager
def recorded_calls(
    given: Any = (), perturbation: Perturbation | None = None, mask_tries: int = 1
) -> Iterator[Calls]:
    """Watches all layers inside the block, and yields a list to which each call is added.

    Args:
        given: inputs of the model.
        perturbation: layers that use float32 inside, or all if the port is in float32, return
            outputs that are moved by as much as float32 may change them; None for none.
        mask_tries: above 1, the masks of dropouts are drawn anew, so often at most, until they drop
            something and keep something.
    """
    calls = Calls(given, perturbation, mask_tries)
    counts: dict[str, int] = {}
    depth = 0
    call_layer, call_operation = versions.Layer.__call__, versions.Operation.__call__

    def named(name: str) -> str:
        counts[name] = counts.get(name, 0) + 1
        return name if counts[name] == 1 else f"{name}#{counts[name]}"

    def watched_layer(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        nonlocal depth
        if depth:
            return call_layer(layer, *arguments, **keywords)
        if is_container(layer):
            calls.open.append((layer.name, layer))
            try:
                return call_layer(layer, *arguments, **keywords)
            finally:
                calls.open.pop()
        depth += 1
        calls.open.append((named(layer.name), layer))
        if versions.uses_mask(layer, arguments, keywords):
            calls.used_masks[layer.name] = type(layer).__name__
        try:
            return _call(layer, calls.open[-1][0], calls, call_layer, arguments, keywords)
        finally:
            calls.open.pop()
            depth -= 1

    def watched_operation(operation: Any, *arguments: Any, **keywords: Any) -> Any:
        nonlocal depth
        if depth or isinstance(operation, versions.Layer):
            return call_operation(operation, *arguments, **keywords)
        depth += 1
        try:
            output = lifted(None, call_operation(operation, *arguments, **keywords))
        finally:
            depth -= 1
        kind = kind_of_operation(operation)
        inputs = _tensors((arguments, keywords))
        output = calls.perturbed(kind, {}, _given(inputs), output)
        again = _repeated(call_operation, operation, kind, arguments, keywords)
        made = Call(named(operation.name), kind, None, inputs, _first(output), again=again)
        calls.append(made)
        return output

    # Keras looks both up on the class at every call, so the model itself is not changed.
    versions.Layer.__call__ = watched_layer
    versions.Operation.__call__ = watched_operation
    try:
        with versions.watched_operations(calls.note_operation):
            yield calls
    finally:
        versions.Layer.__call__ = call_layer
        versions.Operation.__call__ = call_operation


def _call(layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any) -> Any:
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
        kept, output = versions.dropped(layer, inputs[0], calls.mask_tries)
        if output is None:
            output = call(layer, *arguments, **keywords)
        calls.append(Call(name, kind, layer, inputs, output, kept, config))
        return output
    if arguments and (stacked := layers_of(layer, keywords)):
        return _stacked(layer, name, stacked, calls, call, arguments, keywords)
    if cells_of(layer) and arguments:
        return _recurrent(layer, name, calls, call, arguments, keywords)
    if not is_split:
        is_norm = kind == "batch_norm" and versions.is_training(layer, keywords)
        with versions.moving_statistics(layer, inputs[0] if inputs else None, is_norm):
            output = lifted(layer, called(call, layer, arguments, keywords))
        inside = "float32" if is_float32_inside(layer) else kind
        output = calls.perturbed(inside, config, _given(inputs), output)
        mask = None
        if name in calls.drew and len(inputs) == 1 and not versions.is_kerass_own(layer):
            mask, factor = kept_samples(inputs[0], _first(output))
            if mask is not None:
                calls.factors[name] = factor
        again = _repeated(call, layer, kind, arguments, keywords)
        calls.append(Call(name, kind, layer, inputs, _first(output), mask, config, again=again))
        calls.made_beside(output)
        return output
    layer.activation = keras.activations.linear
    try:
        linear = call(layer, *arguments, **keywords)
    finally:
        layer.activation = activation
    linear = calls.perturbed(kind, config, _given(inputs), linear)
    calls.append(Call(name, kind, layer, inputs, linear, config=config))
    kind, config = activation_kind(activation), activation_config(activation)
    output = calls.perturbed(kind, {}, linear, activation(linear))
    last = Call(f"{name}.activation", kind, None, [linear], output, config=config, again=activation)
    calls.append(last)
    return output


def _recurrent(
    layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a recurrent layer that drops inputs or states; its dropouts are calls before it."""
    is_training = versions.is_training(layer, keywords)
    tries = calls.mask_tries if is_training else 1
    watched, calls.open = calls.open, []  # its masks are known
    try:
        with drawn(layer, arguments[0], is_training=is_training, tries=tries) as parts:
            given = (parts.x, *arguments[1:])
            output = call(layer, *given, **keywords)
    finally:
        calls.open = watched
    for drop in parts.drops:
        whole = f"{name}.{drop.name}"
        calls.append(
            Call(whole, "dropout", None, [drop.given], drop.output, drop.mask, drop.config)
        )
    # Its dropouts have been taken out.
    config = {**plain_config(layer), "dropout": 0.0, "recurrent_dropout": 0.0}
    inputs = _tensors((given, keywords))
    output = calls.perturbed(kind_of(layer), config, parts.x, output)
    calls.append(Call(name, kind_of(layer), layer, inputs, _first(output), config=config))
    calls.made_beside(output)
    return output


def _stacked(
    layer: Any, name: str, parts: list[Any], calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a layer of several cells, as a layer for each."""
    x, *given = arguments
    begun = states_of(parts, given[0] if given else keywords.get("initial_state"))
    others = {key: value for key, value in keywords.items() if key not in ("initial_state", "mask")}
    last: list[Any] = []
    for part, cell, first in zip(parts, layer.cell.cells, begun, strict=True):
        options = others if first is None else {**others, "initial_state": first}
        x, *states = _call(part, f"{name}.{cell.name}", calls, call, (x,), options)
        last.append(states if isinstance(cell.state_size, list | tuple) else states[:1])
    return (x, *last) if layer.return_state else x


def _repeated(
    call: Any, called_object: Any, kind: str, arguments: Any, keywords: Any
) -> Callable[[Any], Any] | None:
    """Returns what an activation makes of another input; None for other calls."""
    if not kind.startswith("activation:") or not arguments:
        return None
    return lambda x: call(called_object, x, *arguments[1:], **keywords)


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
    if kind_of(layer) in RECURRENT and isinstance(config.get("cell"), dict):
        config = {**config["cell"]["config"], **config}  # of an RNN with one cell
    return {name: value for name, value in config.items() if _is_plain(value)}


def activation_config(activation: Any) -> dict[str, Any]:
    """Returns the plain arguments of an activation: of a layer, or of functools.partial."""
    if isinstance(activation, versions.Layer):
        return plain_config(activation)
    given = activation.keywords if isinstance(activation, partial) else {}
    return {name: value for name, value in given.items() if _is_plain(value)}


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
