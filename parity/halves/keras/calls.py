"""The calls of a Keras model's layers in order, with inputs and outputs.

Layers are watched when Keras calls them, so models of all kinds are treated alike. A layer with an
activation counts as two calls, its own and that of the activation, since a PyTorch program writes
two; a separable convolution as its depthwise and its pointwise part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from parity.halves.keras import kinds as heads
from parity.halves.keras import versions
from parity.halves.keras.call import (
    MASKED,
    NOISY,
    Call,
    Calls,
    first_of,
    given_masks_of,
    known_noise,
    tensors_in,
    without_masks,
)
from parity.halves.keras.casts import called, is_float32_inside, lifted
from parity.halves.keras.inner_calls import (
    add_recurrent,
    add_with_dropouts,
    call_cells,
    cells_of,
    has_dropouts,
    layers_of,
    moved_functions,
    moved_layer,
)
from parity.halves.keras.kinds import (
    Attention,
    activation_config,
    activation_kind,
    is_container,
    kind_of,
    kind_of_operation,
    operation_config,
    plain_config,
)
from parity.halves.keras.random_layers import (
    is_custom_dropout,
    is_random_image,
    kept_entries,
    kept_samples,
    rate_of,
    state_of,
)
from parity.halves.keras.rounding import Perturbation

_CUTS = ("unknown:Clip", "unknown:Absolute", "maximum", "minimum")
# These apply their activation last, to their output.
_ACTIVATED = {"conv", "depthwise_conv", "separable_conv", "conv_transpose", "dense"}


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
            output = call_layer(layer, *arguments, **keywords)
            if perturbation is None or not arguments or not is_inside():
                return output
            return moved_layer(perturbation, layer, arguments[0], output)
        if heads.is_watched(layer) and calls.attention is None:
            calls.note_masks(layer, arguments, keywords)
            calls.attention = Attention(named(layer.name), layer)
            try:
                return call_layer(layer, *arguments, **keywords)
            finally:
                calls.attention = None
        if calls.attention is not None and (role := heads.role_of(calls.attention, layer)):
            depth += 1
            calls.open.append((f"{calls.attention.name}.{role}", layer))
            try:
                return _part_of_attention(role, layer, calls, call_layer, arguments, keywords)
            finally:
                calls.open.pop()
                depth -= 1
        if is_container(layer):
            calls.open.append((layer.name, layer))
            try:
                return call_layer(layer, *arguments, **keywords)
            finally:
                calls.open.pop()
        depth += 1
        calls.open.append((named(layer.name), layer))
        calls.note_masks(layer, arguments, keywords)
        try:
            return _call(layer, calls.open[-1][0], calls, call_layer, arguments, keywords)
        finally:
            calls.open.pop()
            depth -= 1

    def is_inside() -> bool:
        """Whether code runs whose output is not that of a call that is known."""
        layer = calls.open[-1][1] if calls.open else None
        if layer is None or is_container(layer):
            return layer is not None and not depth
        return kind_of(layer).startswith("unknown:")

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
        inputs = tensors_in((arguments, keywords))
        config = operation_config(operation)
        output = calls.perturbed(kind, config, _given(inputs), output)
        again = _repeated(call_operation, operation, kind, arguments, keywords)
        name = named(operation.name)
        made = Call(name, kind, None, inputs, first_of(output), config=config, again=again)
        calls.append(made)
        return output

    # Keras looks both up on the class at every call, so the model itself is not changed.
    versions.Layer.__call__ = watched_layer
    versions.Operation.__call__ = watched_operation
    try:
        inner = heads.watched_weights(calls, partial(_note_weights, calls))
        moving = moved_functions(perturbation, is_inside) if perturbation else nullcontext()
        with moving, versions.watched_operations(calls.note_operation), inner:
            yield calls
    finally:
        versions.Layer.__call__ = call_layer
        versions.Operation.__call__ = call_operation


def _call(layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any) -> Any:
    kind = kind_of(layer)
    inputs = tensors_in((arguments, without_masks(keywords)))
    config = plain_config(layer)
    # A penalty on the output needs the whole output, activation included.
    activation: Any = getattr(layer, "activation", None) if kind in _ACTIVATED else None
    is_split = (
        activation is not None
        and activation is not keras.activations.linear
        and getattr(layer, "activity_regularizer", None) is None
    )
    if kind in MASKED and layer.rate > 0 and versions.is_training(layer, keywords):
        kept, output = versions.dropped(layer, inputs[0], calls.mask_tries)
        if output is None:
            output = call(layer, *arguments, **keywords)
        calls.append(Call(name, kind, layer, inputs, output, kept, config))
        return output
    if kind in known_noise() and versions.is_training(layer, keywords):
        is_on = float(getattr(layer, NOISY[kind])) > 0
        drawn = versions.drawn_noise(layer, kind, inputs[0]) if is_on else None
        output = call(layer, *arguments, **keywords)
        calls.append(Call(name, kind, layer, inputs, output, drawn, config))
        return output
    if is_random_image(layer):
        return _call_random_image(layer, name, calls, call, arguments, keywords)
    if arguments and (stacked := layers_of(layer, keywords)):

        def call_part(part: Any, part_name: str, *given: Any) -> Any:
            return _call(part, part_name, calls, call, *given)

        return call_cells(layer, name, stacked, call_part, arguments, keywords)
    if arguments and cells_of(layer):
        return add_recurrent(layer, name, calls, call, arguments, keywords)
    if has_dropouts(layer):
        return add_with_dropouts(layer, name, calls, call, arguments, keywords)
    if not is_split:
        is_norm = kind == "batch_norm" and versions.is_training(layer, keywords)
        # Over masked steps Keras adds 1e-7 to the number of values; a port that adds none is right.
        factor = 2 if is_norm and calls.is_perturbed and layer.name in calls.masked else 1
        moving = versions.moving_statistics(layer, _given(inputs), is_norm)
        with moving, versions.epsilon_times(factor):
            made = called(call, layer, arguments, keywords)
            output = lifted(layer, made)
        inside = "float32" if is_float32_inside(layer) else kind
        output = calls.perturbed(inside, config, _given(inputs), output)
        output = versions.with_masks_of(output, made)
        mask = None
        if name in calls.drew and len(inputs) == 1 and versions.may_drop_samples(layer):
            mask, multiple = kept_samples(inputs[0], first_of(output))
            if mask is not None:
                calls.factors[name] = multiple
        if len(inputs) == 1 and tf.is_tensor(output) and (mask is None or is_custom_dropout(layer)):
            in_eval = name in calls.drew and not versions.is_training(layer, keywords)
            rate = rate_of(layer, inputs[0], output, draws_in_eval=in_eval)
            if rate is not None:  # by value, whatever its code is
                is_dropout, found = kept_entries(inputs[0], output, rate)
                if is_dropout:
                    kind, mask, config = "dropout", found, {**config, "rate": rate}
                    calls.forget_draws(name)
        again = _repeated(call, layer, kind, arguments, keywords)
        noted = Call(name, kind, layer, inputs, first_of(output), mask, config, again=again)
        noted.given_masks = given_masks_of(inputs, keywords.get("mask"))
        calls.append(noted)
        calls.made_beside(output)
        return output
    layer.activation = keras.activations.linear
    try:
        made = call(layer, *arguments, **keywords)
    finally:
        layer.activation = activation
    linear = calls.perturbed(kind, config, _given(inputs), made)
    linear = versions.with_masks_of(linear, made)
    calls.append(Call(name, kind, layer, inputs, linear, config=config))
    kind, config = activation_kind(activation), activation_config(activation)
    output = calls.perturbed(kind, config, linear, activation(linear))
    output = versions.with_masks_of(output, made)
    last = Call(f"{name}.activation", kind, None, [linear], output, config=config, again=activation)
    calls.append(last)
    return output


def _call_random_image(
    layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a layer that changes images at random, and adds its call.

    Rounding inside of it moves what it makes, and not what comes behind: a port is given that. It
    moves the gradient of what is in front, too.
    """
    inputs, config = tensors_in((arguments, keywords)), plain_config(layer)
    draws = versions.is_training(layer, keywords)
    state = state_of(layer) if draws else None
    if draws:
        arguments = tf.nest.map_structure(calls.moved_back, arguments)
    output = lifted(None, called(call, layer, arguments, keywords))
    inside = "float32" if draws or is_float32_inside(layer) else kind_of(layer)
    noted = first_of(calls.perturbed(inside, config, _given(inputs), output))
    calls.append(Call(name, kind_of(layer), layer, inputs, noted, config=config, state=state))
    calls.also(first_of(output), noted)
    return output


def _part_of_attention(
    role: str, layer: Any, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls an inner layer of an attention, and adds its call."""
    attention = calls.attention
    assert attention is not None
    name = f"{attention.name}.{role}"
    if role == "dropout":
        attention.flat["weights"] = _call(layer, name, calls, call, arguments, keywords)
        return attention.flat["weights"]
    if role == "softmax":
        return _note_weights(calls, attention, call(layer, *arguments, **keywords))
    x = arguments[0]
    given = x
    if role == "attention_output":  # the heads and their size are one axis in a port
        given = heads.flat(x)
        calls.also(given, attention.flat.get("weights"))
        x = tf.reshape(given, x.shape)
    output = call(layer, x, *arguments[1:], **keywords)
    flat = output if role == "attention_output" else heads.flat(output)
    config = {**plain_config(layer), **heads.settings_of(attention, role)}
    flat = calls.perturbed("dense", config, given, flat)
    # The output projection gets the values, too, times the weights of attention.
    beside = [attention.flat["value"]] if role == "attention_output" else []
    calls.append(Call(name, "dense", layer, [given], flat, config=config, beside=beside))
    attention.flat[role] = flat
    output = flat if role == "attention_output" else tf.reshape(flat, output.shape)
    calls.also(output, flat)
    return output


def _note_weights(calls: Calls, attention: Attention, weights: Any) -> Any:
    """Adds the softmax of an attention as a call of query and key; returns what goes on."""
    attention.has_weights = True
    config = heads.settings_of(attention, "softmax")
    inputs = [attention.flat["query"], attention.flat["key"]]
    name = f"{attention.name}.softmax"
    weights = calls.perturbed("attention", config, inputs[0], weights)
    calls.append(Call(name, "attention", None, inputs, weights, config=config))
    attention.flat["weights"] = weights
    return weights


def _repeated(
    call: Any, called_object: Any, kind: str, arguments: Any, keywords: Any
) -> Callable[[Any], Any] | None:
    """Returns what an activation makes of another input; None for other calls.

    `clip`, `abs`, and a minimum or maximum of a tensor and a number, are activations, too.
    """
    tensors = tensors_in((arguments, keywords))
    is_cut = kind in _CUTS and len(tensors) == 1 and tensors[0] is arguments[0]
    is_one = (kind.startswith("activation:") or is_cut) and arguments
    return (lambda x: call(called_object, x, *arguments[1:], **keywords)) if is_one else None


def _given(inputs: list[Any]) -> Any:
    return inputs[0] if inputs else None
