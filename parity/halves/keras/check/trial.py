"""Trial: one call of a model in which layers of the user's own run their code on symbolic tensors.

A model goes in. What its layers and operations made of its inputs comes out, and what was found on
the way: which layers ran their code, on which arrays others were called, which weights it took.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from parity.halves.keras import versions
from parity.halves.keras.check.each_sample import sizes_of_batches
from parity.halves.keras.check.held_array import HeldArray, is_array
from parity.halves.keras.check.held_weight import HeldWeight, can_be_held, weights_as_tensors
from parity.halves.keras.check.masked_by import ToldMasks
from parity.halves.keras.check.open_sides import open_sides
from parity.halves.keras.check.own_code import has_mask_code
from parity.halves.keras.check.own_layers import in_graph, is_graph, is_own


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
        taken = _symbolic((arguments, keywords)) or self._beside[-1:]
        self._beside.append(taken[0])
        try:
            _check(layer)
            masks = ToldMasks(layer, arguments, keywords)
            taken += [mask for mask in masks.flat if all(mask is not each for each in taken)]
            keywords = {**keywords, **masks.by_name}
            if layer._call_has_training_arg and keywords.get("training") is None:
                keywords["training"] = self._training
            with weights_as_tensors(layer, taken[0], self.weights):
                made = masks.given_to(layer.call(*arguments, **keywords))
        except Exception:
            self._failed.append(layer)
            raise
        finally:
            self._beside.pop()
        self.calls.append((layer, taken, _symbolic(made)))
        return made

    def _is_opened(self, layer: Any, arguments: Any, keywords: Any) -> bool:
        """Whether the layers of a model are called in its place, since some run their code."""
        told = {name for name, value in keywords.items() if value is not None}
        if not is_graph(layer) or len(arguments) != 1 or told - {"training"}:
            return False
        graph, (given,) = _graph(layer), arguments
        return (
            keywords.get("training") in (None, self._training)
            and isinstance(given, keras.KerasTensor)
            and [len(each.shape) for each in graph.inputs] == [len(given.shape)]
            and any(is_own(each) and id(each) not in self._whole for each in in_graph(layer))
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
            elif not depth[0] and self._is_opened(layer, arguments, keywords):
                return self._open(layer, *arguments)
            elif is_in_code:
                arguments, keywords = self._as_tensors(layer, arguments, keywords)
            depth[0] += 1
            try:
                return own_call(layer, *arguments, **keywords)
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
            versions.Layer.__call__, random.draw_seed = own_call, draw
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
        not can_be_held(layer)
        or layer._seed_generators
        or layer.activity_regularizer is not None
        or (isinstance(layer, keras.layers.Lambda) and has_mask_code(layer))
    ):
        raise ValueError("it does more than its code says")
