"""The calls of a Keras model with the shapes of their tensors, found by running its twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.graph import Config, Graph, Tensor, name_of
from torch_impl.keras_config.model import KerasModel, legal_name
from torch_impl.keras_config.rows.recurrent import TimeDistributed
from torch_impl.source.form import Shape

_LENGTHS = (32, 43)  # of axes that the model leaves open; what differs between them is open


@dataclass(frozen=True)
class Traced:
    """A model of Keras, as it was run once.

    Attributes:
        name: Keras's name of the model.
        graph: its calls.
        layers: the entries of its config by name.
        shapes: of each tensor, in Keras's layout; None: an axis that may have any length.
        whole: the tensors of whole numbers or truth values.
        masked: names of the layers that were told a mask.
        inner: models that are layers of it, or that a layer applies to each step, by name.
    """

    name: str
    graph: Graph
    layers: Mapping[str, Config]
    shapes: Mapping[Tensor, Shape]
    whole: frozenset[Tensor]
    masked: frozenset[str]
    inner: Mapping[str, Traced]


def trace(twin: KerasModel, config: Config) -> Traced:
    """Runs a twin on zeros, and returns its calls with the shapes of their tensors.

    Args:
        twin: of the config.
        config: `model.get_config()`.
    """
    first, second = (_run(twin, config, length) for length in _LENGTHS)
    return _traced(twin, config, first, second)


class _Recorder:
    """Notes the tensors of each call of each layer in a twin, by model and layer.

    Attributes:
        inputs: of the first call of each model.
        outputs: of each call.
        masked: the layers that were told a mask.
    """

    def __init__(self, twin: KerasModel) -> None:
        self.inputs: dict[int, list[torch.Tensor]] = {}
        self.outputs: dict[int, dict[str, list[list[torch.Tensor]]]] = {}
        self.masked: set[tuple[int, str]] = set()
        self._hooks = []
        for model in twin.modules():
            if isinstance(model, KerasModel):
                self._hooks.append(model.register_forward_pre_hook(self._note_inputs))
                for name, child in model.named_children():
                    note = self._noting(model, model.keras_names[name])
                    self._hooks.append(child.register_forward_hook(note, with_kwargs=True))

    def _note_inputs(self, model: nn.Module, given: Any) -> None:
        self.inputs.setdefault(id(model), _tensors(given))

    def _noting(self, model: KerasModel, name: str) -> Any:
        def note(module: nn.Module, given: Any, options: Any, made: Any) -> None:
            calls = self.outputs.setdefault(id(model), {}).setdefault(name, [])
            calls.append(_tensors(made))
            if any(value is not None for key, value in options.items() if "mask" in key):
                self.masked.add((id(model), name))

        return note

    def remove(self) -> None:
        """Takes the hooks away."""
        for hook in self._hooks:
            hook.remove()


def _run(twin: KerasModel, config: Config, length: int) -> _Recorder:
    recorder = _Recorder(twin)
    layers = {name_of(layer): layer["config"] for layer in config["layers"]}
    given = []
    for place in _tensors_at(twin.graph.inputs):
        told = layers[place.layer]
        shape = told.get("batch_shape") or told["shape"]
        dtype = getattr(torch, told["dtype"])
        given.append(torch.zeros([2, *(size or length for size in shape[1:])], dtype=dtype))
    training = twin.training
    try:
        with torch.no_grad():
            twin.eval()(*given)
    finally:
        twin.train(training)
        recorder.remove()
    return recorder


def _traced(twin: KerasModel, config: Config, first: _Recorder, second: _Recorder) -> Traced:
    layers = {layer.get("name") or name_of(layer): layer for layer in config["layers"]}
    shapes: dict[Tensor, Shape] = {}
    whole: set[Tensor] = set()

    def note(place: Tensor, one: torch.Tensor, other: torch.Tensor) -> None:
        pairs = zip(one.shape[1:], other.shape[1:], strict=True)
        shapes[place] = (None, *(a if a == b else None for a, b in pairs))
        if not one.is_floating_point():
            whole.add(place)

    places = _tensors_at(twin.graph.inputs)
    for place, *both in zip(places, first.inputs[id(twin)], second.inputs[id(twin)], strict=True):
        note(place, *both)
    made = [recorder.outputs.get(id(twin), {}) for recorder in (first, second)]
    numbers: dict[str, int] = {}
    for call in twin.graph.calls:
        number = numbers.get(call.layer, 0)
        numbers[call.layer] = number + 1
        pairs = zip(*(each[call.layer][number] for each in made), strict=True)
        for index, (one, other) in enumerate(pairs):
            note(Tensor(call.layer, call.number, index), one, other)
    inner = {}
    for name, layer in layers.items():
        child = getattr(twin, legal_name(name), None)
        if isinstance(child, TimeDistributed):
            child, layer = child.get_submodule(child.name), layer["config"]["layer"]
        if isinstance(child, KerasModel):
            inner[name] = _traced(child, layer["config"], first, second)
    masked = frozenset(name for model, name in first.masked if model == id(twin))
    name = config.get("name", "model")
    return Traced(name, twin.graph, layers, shapes, frozenset(whole), masked, inner)


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in _tensors(value[key])]
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in _tensors(entry)]
    return [value] if isinstance(value, torch.Tensor) else []


def _tensors_at(structure: Any) -> list[Tensor]:
    """Returns the places in nested lists and dicts, in Keras's order."""
    if isinstance(structure, Mapping):
        return [place for key in structure for place in _tensors_at(structure[key])]
    if isinstance(structure, list | tuple):
        return [place for entry in structure for place in _tensors_at(entry)]
    return [structure]
