"""What layers of the user's own call the layers inside of them with, which no graph tells."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import keras
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.check.taken_nests import nest_of, nests_of

Facts = dict[str, Any]


def inner_calls(layers: Iterable[Any]) -> dict[int, list[Facts]]:
    """Runs the code of layers on tensors that have shapes and no numbers, and draws nothing.

    Args:
        layers: in the graph of a model; each is called as it is called there.

    Returns:
        id of each layer that they call -> the facts of its different calls; see `facts_of`. Those
        of a layer whose code does not bear it are left out. And id of each node of the graph whose
        call returns a dict -> what is "returned".
    """
    backend = importlib.import_module("keras.src.backend")
    found: dict[int, list[Facts]] = {}
    for layer in layers:
        for node in getattr(layer, "_inbound_nodes", ()):
            given = node.arguments
            with _noted(found), suppress(Exception):  # code of the user's may raise anything
                made = backend.compute_output_spec(layer.call, *given.args, **given.kwargs)
                if told := _returned(made):
                    found[id(node)] = [told]
    return found


@contextmanager
def _noted(found: dict[int, list[Facts]]) -> Iterator[None]:
    call_layer = versions.Layer.__call__

    def noted(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        made = call_layer(layer, *arguments, **keywords)
        facts = facts_of(tf.nest.flatten((arguments, keywords)), tf.nest.flatten(made))
        facts |= nests_in(layer, arguments, keywords) | _returned(made)
        calls = found.setdefault(id(layer), [])
        if facts not in calls:
            calls.append(facts)
        return made

    versions.Layer.__call__ = noted
    try:
        yield
    finally:
        versions.Layer.__call__ = call_layer


def nests_in(layer: Any, arguments: Any, keywords: Any) -> Facts:
    """Returns "nests" of the arguments of a call, if one has several tensors: `taken_nests`."""
    nests = nests_of(layer.call, arguments, keywords)
    return {"nests": nests} if nests else {}


def _returned(made: Any) -> Facts:
    """Returns the nest of what a call "returned", if that is a dict."""
    nest = nest_of(made)
    return {"returned": nest} if nest and "dict" in nest else {}


def facts_of(inputs: Iterable[Any], outputs: Iterable[Any]) -> Facts:
    """Returns the shapes of one call, batch axis included, and the dtypes of what it returns."""
    given, made = (
        [each for each in values if hasattr(each, "shape") and hasattr(each, "dtype")]
        for values in (inputs, outputs)
    )
    return {
        "inputs": [list(tensor.shape) for tensor in given],
        "outputs": [list(tensor.shape) for tensor in made],
        "dtypes": [keras.backend.standardize_dtype(tensor.dtype) for tensor in made],
    }
