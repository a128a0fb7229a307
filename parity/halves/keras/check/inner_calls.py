"""What layers of the user's own call the layers inside of them with, which no graph tells."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.check.taken_nests import nest_of, nests_of

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
            call = partial(_call_with_masks, layer, given)
            with _noted(found), suppress(Exception):  # code of the user's may raise anything
                made = backend.compute_output_spec(call, *given.args, **given.kwargs)
                if told := _returned(made):
                    found[id(node)] = [told]
    return found


def _call_with_masks(layer: Any, given: Any, *arguments: Any, **keywords: Any) -> Any:
    """Calls the code of a layer; its inputs carry masks where they do so in the graph.

    Args:
        layer: of the user's.
        given: the arguments in the graph.
        arguments: in the place of these.
        keywords: likewise.
    """
    places = tf.nest.flatten((given.args, given.kwargs))
    values = tf.nest.flatten((arguments, keywords))
    known = {id(place): value for place, value in zip(places, values, strict=True)}
    for place, value in zip(places, values, strict=True):
        if (mask := versions.mask_of(place)) is not None:
            shape = [1 if side is None else side for side in mask.shape]
            value._keras_mask = known.get(id(mask), tf.ones(shape, "bool"))
    return layer.call(*arguments, **keywords)


@contextmanager
def _noted(found: dict[int, list[Facts]]) -> Iterator[None]:
    call_layer = versions.Layer.__call__

    def noted(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        masked = masked_by_keras(layer, arguments, keywords)
        made = call_layer(layer, *arguments, **keywords)
        facts = facts_of(tf.nest.flatten((arguments, keywords)), tf.nest.flatten(made))
        facts |= nests_in(layer, arguments, keywords) | _returned(made)
        facts |= {"masked": masked} if masked else {}
        calls = found.setdefault(id(layer), [])
        if facts not in calls:
            calls.append(facts)
        return made

    versions.Layer.__call__ = noted
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras tells of layers that end a mask in each call
            yield
    finally:
        versions.Layer.__call__ = call_layer


def masked_by_keras(layer: Any, arguments: Any, keywords: Any) -> list[str]:
    """Returns the arguments of a layer that Keras fills with the masks which its inputs carry.

    Args:
        layer: that is called.
        arguments: of the call.
        keywords: likewise.
    """
    try:
        bound = inspect.signature(layer.call).bind(*arguments, **keywords).arguments
    except TypeError:  # Keras tells what is wrong with the call
        return []
    known = {*inspect.signature(layer.call).parameters}
    tensors = {
        name: found
        for name, value in bound.items()
        if not name.endswith("mask") and (found := [*filter(_is_tensor, tf.nest.flatten(value))])
    }
    is_one = len(tensors) == 1
    return [
        mask
        for name, found in tensors.items()
        if (mask := "mask" if is_one and "mask" in known else f"{name}_mask") in known
        and bound.get(mask) is None
        and any(versions.mask_of(tensor) is not None for tensor in found)
    ]


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


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
    given, made = ([*filter(_is_tensor, values)] for values in (inputs, outputs))
    return {
        "inputs": [list(tensor.shape) for tensor in given],
        "outputs": [list(tensor.shape) for tensor in made],
        "dtypes": [keras.backend.standardize_dtype(tensor.dtype) for tensor in made],
    }
