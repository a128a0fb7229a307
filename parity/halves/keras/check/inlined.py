"""Code of the user's that only calls layers and operations of Keras, written out in a graph."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.data.samples import ModelInput, packed
from parity.halves.keras import versions
from parity.halves.keras.check.custom_layers import has_mask_code
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.symbolic import (
    WEIGHT,
    CallMasks,
    HeldArray,
    HeldWeight,
    attributes_of,
    has_plain_weights,
    in_graph,
    is_array,
    is_custom,
    is_graph,
    open_sides,
    sizes_of_batches,
    takes_weights,
    weights_as_tensors,
)
from parity.halves.keras.check.weights import below
from parity.halves.keras.versions import is_from_keras, is_weight

# --------------------------------------------------------------------------------------------------
#
# Trial: one call of a model in which layers of the user's own run their code on symbolic tensors.
#
# A model goes in. What its layers and operations made of its inputs comes out, and what was found
# on the way: which layers ran their code, on which arrays others were called, which weights it
# took.


class Trial:
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
        opened: models in the model that have layers which ran their code: the graph has the layers
            of these models.
    """

    def __init__(
        self, model: Any, inputs: Any, whole: set[int], failed: list[Any], training: bool | None
    ) -> None:
        self.layers: list[Any] = []
        self.calls: list[tuple[Any, list[Any], list[Any]]] = []
        self.arrays: list[tuple[HeldArray, Any]] = []
        self.weights: dict[int, HeldWeight] = {}
        self.opened: list[Any] = []
        self._whole, self._failed, self._training = whole, failed, training
        self._beside: list[Any] = []  # a tensor of the graph, for each layer that runs its code
        self._masks: list[tuple[Any, Any]] = []  # that were taken from tensors
        try:
            with (
                self._watched(),
                sizes_of_batches(lambda: self._beside[-1] if self._beside else None),
                open_sides(lambda: bool(self._beside)),
            ):
                self.made = _run(model) if inputs is None else self._run_code(model, inputs)
        finally:
            for tensor, mask in self._masks:
                tensor._keras_mask = mask

    def _run_code(self, layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if all(layer is not each for each in self.layers):
            self.layers.append(layer)
        # Code that is called on numbers alone makes what is beside the tensors of the outer code.
        tensors = _symbolic((arguments, keywords)) or self._beside[-1:]
        self._beside.append(tensors[0])
        try:
            _check(layer)
            masks = CallMasks(layer, arguments, keywords)
            tensors += [mask for mask in masks.flat if all(mask is not each for each in tensors)]
            keywords = {**keywords, **masks.by_name}
            if layer._call_has_training_arg and keywords.get("training") is None:
                keywords["training"] = self._training
            with weights_as_tensors(layer, tensors[0], self.weights):
                made = masks.given_to(layer.call(*arguments, **keywords))
        except Exception:
            self._failed.append(layer)
            raise
        finally:
            self._beside.pop()
        self.calls.append((layer, tensors, _symbolic(made)))
        return made

    def _is_opened(self, layer: Any, arguments: Any, keywords: Any) -> bool:
        """Whether the layers of a model are called in its place, since some run their code."""
        keyword_names = {name for name, value in keywords.items() if value is not None}
        if not is_graph(layer) or len(arguments) != 1 or keyword_names - {"training"}:
            return False
        graph, (given,) = _graph(layer), arguments
        return (
            keywords.get("training") in (None, self._training)
            and isinstance(given, keras.KerasTensor)
            and [len(each.shape) for each in graph.inputs] == [len(given.shape)]
            and any(is_custom(each) and id(each) not in self._whole for each in in_graph(layer))
        )

    def _open(self, layer: Any, given: Any) -> Any:
        if all(layer is not each for each in self.opened):
            self.opened.append(layer)
        made = _graph(layer)._run_through_graph(given)
        is_one = isinstance(made, list | tuple) and len(made) == 1
        return made[0] if is_one else made

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

    def _take_masks(self, tensors: list[Any]) -> None:
        """Takes the masks of tensors, as Keras's attention does when it runs."""
        for tensor in tensors:
            if (mask := versions.mask_of(tensor)) is not None:
                self._masks.append((tensor, mask))
                tensor._keras_mask = None

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Lets calls of layers of the user's run their code."""
        original_call, random = versions.Layer.__call__, _module(_RANDOM)
        kind = _module(_VARIABLES).Variable
        draw, value, assign, depth = random.draw_seed, kind.value, kind.assign, [0]

        def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
            is_symbolic = bool(_symbolic((arguments, keywords)))
            is_in_code = bool(self._beside) and not depth[0]
            if (is_symbolic or is_in_code) and not depth[0] and is_custom(layer):
                if id(layer) not in self._whole:
                    return self._run_code(layer, *arguments, **keywords)
                if not is_symbolic:
                    raise ValueError(f"it calls {layer.name!r}, which stays whole, on numbers")
            elif not depth[0] and self._is_opened(layer, arguments, keywords):
                return self._open(layer, *arguments)
            elif is_in_code:
                arguments, keywords = self._as_tensors(layer, arguments, keywords)
            depth[0] += 1
            try:
                return original_call(layer, *arguments, **keywords)
            finally:
                depth[0] -= 1
                if not depth[0] and isinstance(layer, _TAKING):
                    self._take_masks(_symbolic((arguments, keywords)))

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
            versions.Layer.__call__, random.draw_seed = original_call, draw
            kind.value, kind.assign = value, assign


def _symbolic(nest: Any) -> list[Any]:
    flat = keras.tree.flatten(nest)
    return [each for each in flat if isinstance(each, keras.KerasTensor)]


def _run(model: Any) -> Any:
    """Calls the layers of a graph on its own inputs once more."""
    graph = _graph(model)
    return graph._run_through_graph(graph.inputs)


def _graph(model: Any) -> Any:
    return getattr(model, "_functional", None) or model


def _module(name: str) -> Any:
    return importlib.import_module(name)


# Layers that take the masks of their inputs away.
_TAKING = (keras.layers.MultiHeadAttention,)
_VARIABLES = "keras.src.backend.common.variables"
_RANDOM = "keras.src.backend.tensorflow.random"


def _check(layer: Any) -> None:
    """Checks that a layer does nothing beside its code.

    Raises:
        ValueError: it draws, has a penalty, or has weights that no config can tell; or it is a
            Lambda with a mask.
    """
    if (
        not has_plain_weights(layer)
        or layer._seed_generators
        or layer.activity_regularizer is not None
        or (isinstance(layer, keras.layers.Lambda) and has_mask_code(layer))
    ):
        raise ValueError("it does more than its code says")


# --------------------------------------------------------------------------------------------------
#
# Code of the user's own that only calls layers and operations of Keras, written out in a graph.
#
# A model goes in, of any kind. A functional one comes out, with the same layers: where the model
# calls a layer of the user's own, it has what that layer calls.


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
        found = {id(weight.variable): f"{weight.name}/{WEIGHT}" for weight in self.weights}
        for layer, name in self.names.values():
            found |= _paths_inside(layer, layer.name)
            if is_custom(layer):  # its variables are told by its own facts
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
    if is_graph(model) and not any(map(is_custom, in_graph(model))):
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
        signatures = [list(_signature(graph, known)) for graph in graphs]
        is_same = all(layer is layers[0] for layer in layers) and signatures[1:] == signatures[:-1]
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
    used_names = (
        {layer.name for layer in getattr(model, "layers", ())} if is_graph(model) else set()
    )
    absent = {id(each) for each in trial.opened}  # from the graph
    for inner in (inner for each in trial.opened for inner in each.layers):
        is_input = isinstance(inner, keras.layers.InputLayer)
        if not is_input and id(inner) not in absent and id(inner) not in before:
            before[id(inner)] = inner, inner.name
            inner.name = _free(inner.name, used_names)
    for layer in layers:
        prefix = "" if layer is model else f"{layer.name}_"
        for attribute, inner in attributes_of(layer):
            if (weight := trial.weights.get(id(inner))) is not None and id(weight) not in done:
                done.add(id(weight))
                weight.name = _free(f"{prefix}{attribute.replace('.', '_')}", used_names)
            # Else it is Keras's list of layers.
            is_layer = isinstance(inner, keras.layers.Layer) and not attribute.startswith("_")
            if is_layer and id(inner) not in absent and id(inner) not in before:
                before[id(inner)] = inner, inner.name
                inner.name = _free(f"{prefix}{attribute.replace('.', '_')}", used_names)
    # Keras names an operation "mean", as the user may name a layer.
    graphs = [keras.Function(given, made) for _, given, made in trial.calls]
    for operation in {id(each): each for graph in graphs for each in graph.operations}.values():
        if not isinstance(operation, keras.layers.Layer) and operation.name in used_names:
            operation.name = _free(operation.name, used_names)
    for operation, layer in trial.arrays:
        operation.name = _free(f"{layer.name}_input", used_names)
    return before


def _free(name: str, used_names: set[str]) -> str:
    """Returns a name that is not taken, with a number if need be, and takes it."""
    found, number = name, 1
    while found in used_names:
        number += 1
        found = f"{name}_{number}"
    used_names.add(found)
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
            keywords = {
                key: value for key, value in node.arguments.kwargs.items() if key != "training"
            }
            values = map(_value_text, keras.tree.flatten((node.arguments.args, keywords)))
            operation = node.operation
            # A layer that the code makes anew has another name in each trial.
            number = id(operation) if id(operation) in known else 0
            if isinstance(operation, HeldWeight):
                number = id(operation.variable)
            yield (type(operation).__name__, number, *values)


def _value_text(value: Any) -> str:
    if isinstance(value, keras.KerasTensor):
        return str(tuple(value.shape))
    if hasattr(value, "shape"):
        return repr(np.asarray(value).tolist())
    return repr(value)


# --------------------------------------------------------------------------------------------------
#
# A subclassed model as a layer of a functional one, whose config tells what goes in and out.


def as_graph(reference: Reference, batch_size: int) -> keras.Model:
    """Returns a model that has a graph: that of a reference, or one that calls it once.

    Args:
        reference: the program.
        batch_size: of the samples for which a model is built, if it is not.

    Raises:
        InputError: the inputs are not known.
        Exception: of the user's code, which may not bear a batch of unknown size.
    """
    model: Any = reference.model
    if is_graph(model):
        if isinstance(model, keras.Sequential) or is_from_keras(model):
            return model
        # A functional model of a class of the user's may have a config without layers.
        return keras.Model(model._inputs_struct, model._outputs_struct, name=model.name)
    inputs = inputs_of(reference, batch_size)
    tensors = [_tensor(each) for each in inputs.each]
    given = packed(inputs.structure, tensors)
    return keras.Model(given, model(given), name="network")


def _tensor(each: ModelInput) -> Any:
    is_whole = each.is_whole or each.is_tokens
    dtype = "bool" if each.kind == "booleans" else "int32" if is_whole else None
    return keras.Input(each.shape, name=each.name.replace("/", "_"), dtype=dtype)
