"""The layers in the graph of a Keras model whose call is code of the user's own.

A model goes in. Such layers come out.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from parity.halves.keras.check.held_weight import HeldWeight
from parity.halves.keras.check.masked_by import MaskedBy
from parity.halves.keras.check.rule_code import rules_in
from parity.halves.keras.versions import is_kerass_own, path_of


def own_layers(model: keras.Model) -> dict[str, Any]:
    """Returns the layers in the graph of a model that are of the user's own, by name.

    A Lambda is one: its function is code.
    """
    found: dict[str, Any] = {}
    for layer in in_graph(model):
        if is_own(layer):
            found.setdefault(layer.name, layer)
    return found


def is_own(layer: Any) -> bool:
    """Whether what a layer computes is code of the user's."""
    is_ours = isinstance(layer, HeldWeight | MaskedBy)
    is_kerass = is_kerass_own(layer) or is_graph(layer) or is_ours
    return isinstance(layer, keras.layers.Lambda) or not is_kerass


def is_graph(layer: Any) -> bool:
    """Whether a layer is a Sequential or functional model, of a class that has no own `call`."""
    module = importlib.import_module("keras.src.models")
    kinds = (module.Sequential, module.Functional)
    return isinstance(layer, kinds) and type(layer).call in [kind.call for kind in kinds]


def in_graph(model: Any) -> Iterator[Any]:
    """Yields the layers in the graph of a model, those of inner models and wrapped ones too."""
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if is_graph(layer):
            yield from in_graph(layer)
            continue
        yield layer
        if not is_own(layer):
            yield from (inner for inner in _inside(layer) if not is_own(inner))


def _inside(layer: Any) -> Iterator[Any]:
    """Yields the layers that one of Keras's applies."""
    for name in ("layer", "forward_layer", "backward_layer", "cell"):
        inner = getattr(layer, name, None)
        if isinstance(inner, keras.layers.Layer):
            yield inner


def wrapped(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yields (layer of Keras, layer of the user's that it applies)."""
    pairs = [pair for layer in in_graph(model) for pair in wrapped_in(layer)]
    # The layers inside of a Bidirectional are in the graph, too.
    yield from {(id(layer), id(inner)): (layer, inner) for layer, inner in pairs}.values()


def wrapped_in(layer: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the same of a layer, which may hold several cells."""
    if is_own(layer):
        return
    for inner in _inside(layer):
        for each in (inner, *getattr(inner, "cells", ())):
            if is_own(each):
                yield layer, each
            elif each is not inner or not hasattr(each, "cell"):
                continue
            else:  # such as the RNN of a Bidirectional
                yield from wrapped_in(each)


def why_refused(inner: Any) -> str:
    """Returns why a port has no stub of a layer that one of Keras's applies, and what to do."""
    return (
        f"it applies {inner.name!r} of your class {type(inner).__name__}, and parity port leaves "
        "no stub inside of a layer of Keras; write its module yourself, and give it to "
        f"torch_impl.from_keras_config(custom={{{inner.name!r}: ...}}), see docs/twin.md"
    )


def takes_weights(graph: Any) -> Iterator[tuple[str, str]]:
    """Yields (name of an operation or layer, path of a weight) of weights among the arguments.

    A config has the numbers of such a weight, as if it were an array that does not train.

    Args:
        graph: a functional model or function; models inside of it are looked at, too.
    """
    depths = getattr(graph, "_nodes_by_depth", {})  # a Sequential without an Input has none
    for node in (node for nodes in depths.values() for node in nodes):
        given = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
        for value in given:
            if isinstance(value, keras.Variable):
                yield node.operation.name, path_of(value)
        if is_graph(node.operation):
            inner = getattr(node.operation, "_functional", None) or node.operation
            yield from takes_weights(inner)


@contextmanager
def told_simply(model: keras.Model) -> Iterator[None]:
    """Lets a model have a config that is text, and that says what it computes.

    The `get_config` of a layer of the user's own may be missing, or hold what no text says. So may
    that of a regulariser, and what `compile` got. Keras writes its `keras.ops.gelu`, which
    approximates, by the name of the exact one of keras.activations.
    """
    models = [each for each in model._flatten_layers() if isinstance(each, keras.Model)]
    layers = [*own_layers(model).values(), *(inner for _, inner in wrapped(model))]
    told = {id(layer): layer for layer in in_graph(model) if not is_own(layer)}
    approximating = [(layer, names) for layer in told.values() if (names := _with_gelu(layer))]

    def config_of(layer: Any) -> Any:
        return lambda: {"name": layer.name, "trainable": layer.trainable, "dtype": _policy(layer)}

    def with_gelu(layer: Any, names: list[str]) -> Any:
        own = layer.get_config
        return lambda: {**own(), **dict.fromkeys(names, _GELU)}

    changed = {id(layer): (layer, config_of(layer)) for layer in layers}
    changed |= {id(layer): (layer, with_gelu(layer, names)) for layer, names in approximating}
    rules = [rule for layer in told.values() for rule in rules_in(layer).values()]
    changed |= {id(rule): (rule, dict) for rule in rules if not inspect.isroutine(rule)}
    for layer, config in changed.values():
        layer.__dict__["get_config"] = config
    for each in models:
        each.__dict__["get_compile_config"] = lambda: None
    try:
        yield
    finally:
        for each in models:
            del each.__dict__["get_compile_config"]
        for layer, _ in changed.values():
            del layer.__dict__["get_config"]


_GELU = {"module": "keras.ops", "class_name": "function", "config": "gelu"}


def _with_gelu(layer: Any) -> list[str]:
    """Returns the settings of a layer of Keras's that are the gelu of keras.ops."""
    names = ("activation", "recurrent_activation")
    return [name for name in names if getattr(layer, name, None) is keras.ops.gelu]


def _policy(layer: Any) -> str:
    return str(layer.dtype_policy.name)
