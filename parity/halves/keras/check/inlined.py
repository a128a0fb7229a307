"""Code of the user's own that only calls layers and operations of Keras, written out in a graph.

A model goes in, of any kind. A functional one comes out, with the same layers: where the model
calls a layer of the user's own, it has what that layer calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from parity.halves.keras.check.attributes import attributes_of
from parity.halves.keras.check.held_weight import WEIGHT, HeldWeight
from parity.halves.keras.check.named_weights import below
from parity.halves.keras.check.own_layers import in_graph, is_graph, is_own, takes_weights
from parity.halves.keras.check.trial import Trial
from parity.halves.keras.versions import is_weight

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
            found |= _paths_inside(layer, layer.name)
            if is_own(layer):  # its variables are told by its own facts
                continue
            for variable in layer.variables:
                found[id(variable)] = f"{layer.name}/{below(layer, variable, name)}"
        return found

    def restore(self) -> None:
        """Gives all layers their own names again."""
        for layer, name in self.names.values():
            layer.name = name


def _paths_inside(layer: Any, path: str) -> dict[int, str]:
    """Returns the paths of a layer and, if it is a graph, of all layers in it, by ID."""
    found = {id(layer): path}
    for inner in layer.layers if is_graph(layer) else ():
        found |= _paths_inside(inner, f"{path}/{inner.name}")
    return found


def inlined(model: Any, inputs: Any) -> Inlined | None:
    """Returns a functional model that computes what a model does, with less code of the user's own.

    Layers are written out if their code takes tensors without numbers, does the same in both modes,
    draws nothing, and has no losses of its own. The others stay as they are. A
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
            trials = [Trial(model, inputs, whole, failed, mode) for mode in (None, False, True)]
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


def _that_differs(trials: Sequence[Trial], model: Any) -> Any:
    """Returns the innermost layer whose code does something else in another trial; or None.

    A layer whose code computes with a weight itself is returned, too.
    """
    known = {id(layer) for layer in model._flatten_layers()}
    for calls in zip(*(trial.calls for trial in trials), strict=False):
        layers, inputs, outputs = zip(*calls, strict=True)
        with _names_apart(model):
            graphs = [keras.Function(*each) for each in zip(inputs, outputs, strict=True)]
        told = [list(_signature(graph, known)) for graph in graphs]
        is_same = all(layer is layers[0] for layer in layers) and told[1:] == told[:-1]
        if not is_same or any(takes_weights(graphs[0])):
            return layers[0]
    return None


@contextmanager
def _names_apart(model: Any) -> Iterator[None]:
    """Gives each layer a name of its own: two inner layers of one name are no graph to Keras."""
    names = {id(layer): (layer, layer.name) for layer in model._flatten_layers()}
    for number, (layer, name) in enumerate(names.values()):
        layer.name = f"{name} {number}"
    try:
        yield
    finally:
        for layer, name in names.values():
            layer.name = name


def _renamed(model: Any, layers: Sequence[Any], trial: Trial) -> dict[int, tuple[Any, str]]:
    """Gives layers inside of others the names of attributes; returns the names before.

    Args:
        model: of the program.
        layers: that run their code.
        trial: has arrays, which get the names of the layers that take them, weights, which get
            those of attributes, and models whose layers are called in their place. Such a layer
            keeps its name, unless another one has it, too.
    """
    before: dict[int, tuple[Any, str]] = {}
    done: set[int] = set()
    taken = {layer.name for layer in getattr(model, "layers", ())} if is_graph(model) else set()
    absent = {id(each) for each in trial.opened}  # from the graph
    for inner in (inner for each in trial.opened for inner in each.layers):
        is_input = isinstance(inner, keras.layers.InputLayer)
        if not is_input and id(inner) not in absent and id(inner) not in before:
            before[id(inner)] = inner, inner.name
            inner.name = _free(inner.name, taken)
    for layer in layers:
        prefix = "" if layer is model else f"{layer.name}_"
        for attribute, inner in attributes_of(layer):
            if (held := trial.weights.get(id(inner))) is not None and id(held) not in done:
                done.add(id(held))
                held.name = _free(f"{prefix}{attribute.replace('.', '_')}", taken)
            # Else it is Keras's list of layers.
            is_layer = isinstance(inner, keras.layers.Layer) and not attribute.startswith("_")
            if is_layer and id(inner) not in absent and id(inner) not in before:
                before[id(inner)] = inner, inner.name
                inner.name = _free(f"{prefix}{attribute.replace('.', '_')}", taken)
    # Keras names an operation "mean", as the user may name a layer.
    graphs = [keras.Function(given, made) for _, given, made in trial.calls]
    for operation in {id(each): each for graph in graphs for each in graph.operations}.values():
        if not isinstance(operation, keras.layers.Layer) and operation.name in taken:
            operation.name = _free(operation.name, taken)
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
