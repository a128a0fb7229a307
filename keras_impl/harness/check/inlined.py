"""Code of the user's own that only calls layers and operations of Keras, written out in a graph.

A model goes in, of any kind. A functional one comes out, with the same layers: where the model
calls a layer of the user's own, it has what that layer calls.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_impl.harness import versions
from keras_impl.harness.check.attributes import attributes_of
from keras_impl.harness.check.each_sample import sizes_of_batches
from keras_impl.harness.check.held_array import HeldArray, is_array
from keras_impl.harness.check.held_weight import (
    WEIGHT,
    HeldWeight,
    can_be_held,
    weights_as_tensors,
)
from keras_impl.harness.check.named_weights import below
from keras_impl.harness.check.own_code import has_mask_code
from keras_impl.harness.check.own_layers import in_graph, is_graph, is_own, takes_weights
from keras_impl.harness.versions import is_weight

_MOST_TRIALS = 50  # layers whose code needs numbers; one is found in each trial


@dataclass
class Inlined:
    """A graph in which code of the user's is written out.

    Attributes:
        model: the functional model.
        layers: of the user's, whose code is written out, the outer ones first.
        names: of the layers inside of these, before they got those of attributes: id -> name.
        weights: of these layers themselves, as layers of the graph.
    """

    model: keras.Model
    layers: list[Any]
    names: dict[int, tuple[Any, str]]
    weights: list[HeldWeight]

    def paths(self) -> dict[int, str]:
        """Returns the paths of these layers, and of their variables, by ID."""
        found = {id(held.variable): f"{held.name}/{WEIGHT}" for held in self.weights}
        for layer, name in self.names.values():
            found[id(layer)] = layer.name
            if is_own(layer):  # its variables are told by its own facts
                continue
            for variable in layer.variables:
                found[id(variable)] = f"{layer.name}/{below(layer, variable, name)}"
        return found

    def restore(self) -> None:
        """Gives all layers their own names again."""
        for layer, name in self.names.values():
            layer.name = name


def inlined(model: Any, inputs: Any) -> Inlined | None:
    """Returns a functional model that computes what a model does, with less code of the user's own.

    Layers are written out if their code takes tensors without numbers, does the same in both modes,
    draws nothing, and has no masks or losses of its own. The others stay as they are. A
    layer inside of one that is written out has the name of its attribute there, until `restore`.

    Args:
        model: of the program, which is built.
        inputs: of a model without a graph, in the structure in which it takes them; None: it has
            one.

    Returns:
        The graph; None if nothing could be written out.
    """
    if is_graph(model) and not any(map(is_own, in_graph(model))):
        return None
    whole: set[int] = set()  # layers that stay as they are
    graph = getattr(model, "_functional", None) or model
    given = getattr(graph, "_inputs_struct", None) if inputs is None else inputs
    if given is None:  # a Sequential without an Input
        return None
    for _ in range(_MOST_TRIALS):
        failed: list[Any] = []
        try:
            trials = [_Trial(model, inputs, whole, failed, mode) for mode in (None, False, True)]
        except Exception:  # code of the user's, which may raise anything
            if not failed or failed[0] is model:
                return None
            whole.add(id(failed[0]))
            continue
        layers = trials[0].layers
        if not layers:
            return None
        kept = _that_differs(trials, model)
        if kept is None:
            names = _renamed(model, layers, trials[0])
            found = Inlined(model, layers, names, list(trials[0].weights.values()))
            try:
                found.model = keras.Model(given, trials[0].made, name=model.name)
            except Exception:  # of Keras: names that occur twice, or outputs that are no tensors
                found.restore()
                return None
            kept = _holder_of_lost_weights(found)
            if kept is None:
                return found
            found.restore()
        if kept is model:
            return None
        whole.add(id(kept))
    return None


class _Trial:
    """One call of a model in which layers of the user's run their code.

    Args:
        model: of the program.
        inputs: see `inlined`.
        whole: IDs of the layers that are called as always.
        failed: gets the layer whose code raised an exception.
        training: the mode that code is told; None: none.

    Attributes:
        made: what the model returned.
        layers: of the user's that ran their code, the outer ones first.
        calls: of these (layer, tensors, what it returned), the inner ones first.
        arrays: (operation, layer that takes the array) of each array that a layer is called on.
        weights: that code computes with, by their IDs.
    """

    def __init__(
        self, model: Any, inputs: Any, whole: set[int], failed: list[Any], training: bool | None
    ) -> None:
        self.layers: list[Any] = []
        self.calls: list[tuple[Any, list[Any], list[Any]]] = []
        self.arrays: list[tuple[HeldArray, Any]] = []
        self.weights: dict[int, HeldWeight] = {}
        self._whole, self._failed, self._training = whole, failed, training
        self._beside: list[Any] = []  # a tensor of the graph, for each layer that runs its code
        with self._watched(), sizes_of_batches(lambda: self._beside[-1] if self._beside else None):
            self.made = _run(model) if inputs is None else self._run_code(model, inputs)

    def _run_code(self, layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if all(layer is not each for each in self.layers):
            self.layers.append(layer)
        # Code that is called on numbers alone makes what is beside the tensors of the outer code.
        taken = _symbolic((arguments, keywords)) or self._beside[-1:]
        self._beside.append(taken[0])
        try:
            _check(layer, arguments, keywords)
            if layer._call_has_training_arg and keywords.get("training") is None:
                keywords["training"] = self._training
            with weights_as_tensors(layer, taken[0], self.weights):
                made = layer.call(*arguments, **keywords)
        except Exception:
            self._failed.append(layer)
            raise
        finally:
            self._beside.pop()
        self.calls.append((layer, taken, _symbolic(made)))
        return made

    def _as_tensors(self, layer: Any, arguments: Any, keywords: Any) -> tuple[Any, Any]:
        """Returns arguments of a layer of Keras's; arrays are tensors of the graph."""

        def as_tensor(value: Any) -> Any:
            if not is_array(value):
                return value
            operation = HeldArray()
            self.arrays.append((operation, layer))
            return operation(self._beside[-1], value)

        made: tuple[Any, Any] = keras.tree.map_structure(as_tensor, (arguments, keywords))
        return made

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Lets calls of layers of the user's run their code."""
        own_call, random = versions.Layer.__call__, _module(_RANDOM)
        kind = _module(_VARIABLES).Variable
        draw, value, assign, depth = random.draw_seed, kind.value, kind.assign, [0]

        def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
            is_symbolic = bool(_symbolic((arguments, keywords)))
            is_in_code = bool(self._beside) and not depth[0]
            if (is_symbolic or is_in_code) and not depth[0] and is_own(layer):
                if id(layer) not in self._whole:
                    return self._run_code(layer, *arguments, **keywords)
                if not is_symbolic:
                    raise ValueError(f"it calls {layer.name!r}, which stays whole, on numbers")
            elif is_in_code:
                arguments, keywords = self._as_tensors(layer, arguments, keywords)
            depth[0] += 1
            try:
                return own_call(layer, *arguments, **keywords)
            finally:
                depth[0] -= 1

        def only_in_layers(function: Callable[..., Any]) -> Callable[..., Any]:
            """What code does with numbers would be an array in the graph, the same in all calls."""

            def watched(*arguments: Any, **keywords: Any) -> Any:
                if not depth[0]:
                    raise ValueError("it draws numbers, or takes or sets those of a weight")
                return function(*arguments, **keywords)

            return watched

        versions.Layer.__call__ = call
        random.draw_seed = only_in_layers(draw)
        kind.value, kind.assign = property(only_in_layers(value.fget)), only_in_layers(assign)
        try:
            yield
        finally:
            versions.Layer.__call__, random.draw_seed = own_call, draw
            kind.value, kind.assign = value, assign


def _symbolic(nest: Any) -> list[Any]:
    flat = keras.tree.flatten(nest)
    return [each for each in flat if isinstance(each, keras.KerasTensor)]


def _that_differs(trials: Sequence[_Trial], model: Any) -> Any:
    """Returns the innermost layer whose code does something else in another trial; or None.

    A layer whose code computes with a weight itself is returned, too.
    """
    known = {id(layer) for layer in model._flatten_layers()}
    for calls in zip(*(trial.calls for trial in trials), strict=False):
        layers, inputs, outputs = zip(*calls, strict=True)
        graphs = [keras.Function(each, made) for each, made in zip(inputs, outputs, strict=True)]
        told = [list(_signature(graph, known)) for graph in graphs]
        is_same = all(layer is layers[0] for layer in layers) and told[1:] == told[:-1]
        if not is_same or any(takes_weights(graphs[0])):
            return layers[0]
    return None


def _renamed(model: Any, layers: Sequence[Any], trial: _Trial) -> dict[int, tuple[Any, str]]:
    """Gives layers inside of others the names of attributes; returns the names before.

    Args:
        model: of the program.
        layers: that run their code.
        trial: has arrays, which get the names of the layers that take them, and weights, which get
            those of attributes.
    """
    before: dict[int, tuple[Any, str]] = {}
    done: set[int] = set()
    taken = {layer.name for layer in getattr(model, "layers", ())} if is_graph(model) else set()
    for layer in layers:
        prefix = "" if layer is model else f"{layer.name}_"
        for attribute, inner in attributes_of(layer):
            if (held := trial.weights.get(id(inner))) is not None and id(held) not in done:
                done.add(id(held))
                held.name = _free(f"{prefix}{attribute.replace('.', '_')}", taken)
            is_named = not attribute.startswith("_")  # else it is Keras's list of layers
            if is_named and isinstance(inner, keras.layers.Layer) and id(inner) not in before:
                before[id(inner)] = inner, inner.name
                inner.name = _free(f"{prefix}{attribute.replace('.', '_')}", taken)
    for operation, layer in trial.arrays:
        operation.name = _free(f"{layer.name}_input", taken)
    return before


def _free(name: str, taken: set[str]) -> str:
    """Returns a name that is not taken, with a number if need be, and takes it."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _holder_of_lost_weights(found: Inlined) -> Any:
    """Returns the innermost layer that lost weights, since its code calls a layer on numbers."""
    there = {id(variable) for variable in found.model.variables}
    for layer in reversed(found.layers):
        if any(is_weight(variable) and id(variable) not in there for variable in layer.variables):
            return layer
    return None


def _run(model: Any) -> Any:
    """Calls the layers of a graph on its own inputs once more."""
    graph = getattr(model, "_functional", None) or model
    return graph._run_through_graph(graph.inputs)


def _module(name: str) -> Any:
    return importlib.import_module(name)


_VARIABLES = "keras.src.backend.common.variables"
_RANDOM = "keras.src.backend.tensorflow.random"


def _check(layer: Any, arguments: Any, keywords: Any) -> None:
    """Checks that a layer does nothing beside its code.

    Raises:
        ValueError: it has a mask or a loss of its own, is told a mask, or has weights that no
            config can tell.
    """
    given = keras.tree.flatten((arguments, keywords))
    if (
        not can_be_held(layer)
        or layer._seed_generators
        or layer.activity_regularizer is not None
        or has_mask_code(layer)
        or any(versions.mask_of(each) is not None for each in given)
    ):
        raise ValueError("it does more than its code says")


def _signature(graph: Any, known: set[int]) -> Iterator[tuple[Any, ...]]:
    """Yields what each call in a graph is of, but for the mode that it is told.

    Args:
        graph: of the calls.
        known: IDs of the layers of the program.
    """
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            told = {key: value for key, value in node.arguments.kwargs.items() if key != "training"}
            values = map(_told, keras.tree.flatten((node.arguments.args, told)))
            operation = node.operation
            # A layer that the code makes anew has another name in each trial.
            number = id(operation) if id(operation) in known else 0
            if isinstance(operation, HeldWeight):
                number = id(operation.variable)
            yield (type(operation).__name__, number, *values)


def _told(value: Any) -> str:
    if isinstance(value, keras.KerasTensor):
        return str(tuple(value.shape))
    if hasattr(value, "shape"):
        return repr(np.asarray(value).tolist())
    return repr(value)
