"""The layers in the graph of a Keras model whose call is code of the user's own.

A model goes in. Such layers come out.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_impl.harness.versions import is_kerass_own


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
    return isinstance(layer, keras.layers.Lambda) or not (is_kerass_own(layer) or is_graph(layer))


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


@contextmanager
def told_simply(model: keras.Model) -> Iterator[None]:
    """Lets a model with code of the user's own have a config that is text.

    The `get_config` of a layer may be missing, or hold what no text says. So may
    what `compile` got.
    """
    models = [each for each in model._flatten_layers() if isinstance(each, keras.Model)]
    layers = [*own_layers(model).values(), *(inner for _, inner in wrapped(model))]

    def config_of(layer: Any) -> Any:
        return lambda: {"name": layer.name, "trainable": layer.trainable, "dtype": _policy(layer)}

    for layer in layers:
        layer.__dict__["get_config"] = config_of(layer)
    for each in models:
        each.__dict__["get_compile_config"] = lambda: None
    try:
        yield
    finally:
        for each in models:
            del each.__dict__["get_compile_config"]
        for layer in layers:
            del layer.__dict__["get_config"]


def _policy(layer: Any) -> str:
    return str(layer.dtype_policy.name)
