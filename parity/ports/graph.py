"""The calls of a Keras model with the shapes of their tensors, found by running its twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from parity.ports.form import Shape
from torch_impl import layers
from torch_impl.keras_config.custom import CustomLayer
from torch_impl.keras_config.graph import (
    Call,
    Config,
    Graph,
    Tensor,
    is_array_or_weight,
    name_of,
    tensors_of,
)
from torch_impl.keras_config.model import KerasModel, legal_name
from torch_impl.keras_config.rows.recurrent import TimeDistributed
from torch_impl.keras_config.rules import NoTwinError
from torch_impl.layers.einsum_dense import MERGING
from torch_impl.masks import is_any, is_mask, mask_arguments, mask_of

# Of axes that the model leaves open; what differs between both is open. The longest that work are
# taken: a table of positions has an end.
_LENGTHS = ((32, 43), (16, 19), (8, 9), (5, 6), (3, 4), (1, 2))
_SAMPLES = (4, 5)  # likewise, of a batch


@dataclass(frozen=True)
class Mask:
    """A mask of a sequence: that which a layer makes of its input, or joins of their masks.

    Attributes:
        layer: the Embedding, the Masking or one of the user's own; an operation whose output is
            the mask; or the layer that merges; "" if nothing tells.
        call: number of its call.
        joined: of a layer that merges, the masks of its inputs; None for one without.
    """

    layer: str
    call: int
    joined: tuple[Mask | None, ...] = ()


# Of an argument that takes several tensors, a mask of each that has one.
Masks = Mask | tuple[Mask | None, ...]


def entries_of(masks: Masks) -> tuple[Mask | None, ...]:
    """Returns the masks of an argument, of one tensor or of several."""
    return masks if isinstance(masks, tuple) else (masks,)


def is_known(masks: Masks) -> bool:
    """Whether it is known where all masks of an argument come from."""
    return all(
        each is None or (bool(each.layer) and is_known(each.joined)) for each in entries_of(masks)
    )


@dataclass(frozen=True)
class Traced:
    """A model of Keras, as it was run once.

    Attributes:
        name: Keras's name of the model.
        graph: its calls.
        layers: the entries of its config by name.
        shapes: of each tensor, in Keras's layout; None: an axis that may have any length, such as
            the first one, unless the tensor is made of an array alone.
        whole: the tensors of whole numbers or truth values.
        truths: those of truth values.
        masks: of each call that gets some, by the names of the arguments.
        end_masks: of the outputs of the model that have one.
        inner: models that are layers of it, or that a layer applies to each step, by name.
        tied: name of a TimeDistributed -> name of the layer in it, if the model has that, too.
        masked_steps: names of each TimeDistributed whose layer takes a mask.
    """

    name: str
    graph: Graph
    layers: Mapping[str, Config]
    shapes: Mapping[Tensor, Shape]
    whole: frozenset[Tensor]
    truths: frozenset[Tensor]
    masks: Mapping[tuple[str, int], Mapping[str, Masks]]
    end_masks: Mapping[Tensor, Mask]
    inner: Mapping[str, Traced]
    tied: Mapping[str, str]
    masked_steps: frozenset[str]

    @property
    def ends(self) -> list[Tensor]:
        """The outputs of the model, in Keras's order."""
        return _tensors_at(self.graph.outputs)


def entries_by_path(traced: Traced, before: str = "") -> dict[str, Config]:
    """Returns the entries of all layers in the config, also of models inside, by their paths."""
    found = {f"{before}{name}": layer for name, layer in traced.layers.items()}
    for name, inner in traced.inner.items():
        wrapped = traced.layers[name]["config"].get("layer")
        path = f"{name}/{name_of(wrapped)}" if wrapped else name
        found |= entries_by_path(inner, f"{before}{path}/")
    return found


def trace(twin: KerasModel, config: Config, *, has_batches: bool = True) -> Traced:
    """Runs a twin on random numbers, and returns its calls with the shapes of their tensors.

    Args:
        twin: of the config.
        config: `model.get_config()`.
        has_batches: whether the first axis of each tensor is that of the batch; a loss may reduce
            it.
    """
    sizes = (_SAMPLES[0],) * 2 if has_batches else _SAMPLES
    for lengths in _LENGTHS:
        try:
            both = [_run(twin, config, *pair) for pair in zip(lengths, sizes, strict=True)]
            break
        except (IndexError, NoTwinError) as error:
            # A position may be beyond a table of positions.
            is_beyond = any(isinstance(e, IndexError) for e in (error, error.__cause__))
            if lengths is _LENGTHS[-1] or not is_beyond:
                raise
    traced = _traced(twin, config, *both)
    # Masks of the outputs of inner models go to the layers that take them.
    first = both[0]
    masks = {place: mask_of(end) for place, end in zip(traced.ends, first.ends, strict=True)}
    sources = {place: first.source(twin, mask) for place, mask in masks.items() if mask is not None}
    return replace(traced, end_masks=sources)


class _Recorder:
    """Notes the tensors of each call of each layer in a twin, by model and layer.

    Attributes:
        inputs: of the first call of each model.
        outputs: of each call.
        masks: of each call, by model and layer.
        sources: masks that layers make or join, by model, in the order of calls.
        ends: what the twin returned.
        size: of the batch.
    """

    def __init__(self, twin: KerasModel, size: int) -> None:
        self.size = size
        self.inputs: dict[int, list[torch.Tensor]] = {}
        self.outputs: dict[int, dict[str, list[list[torch.Tensor]]]] = {}
        self.masks: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self.sources: dict[int, list[tuple[Mask, torch.Tensor]]] = {}
        self.ends: list[torch.Tensor] = []
        self._hooks = []
        # Layers that join masks -> the models that have them, which all note each call.
        self._joining: dict[Any, list[tuple[KerasModel, str]]] = {}
        for model in twin.modules():
            if isinstance(model, KerasModel):
                self._hooks.append(model.register_forward_pre_hook(self._note_inputs))
                for name, child in model.named_children():
                    note = self._noting(model, model.keras_names[name])
                    self._hooks.append(child.register_forward_hook(note, with_kwargs=True))
                    if isinstance(child, MERGING):
                        holders = self._joining.setdefault(child, [])
                        holders.append((model, model.keras_names[name]))
        for child in self._joining:
            self._watch_join(child)

    def _note_inputs(self, model: nn.Module, given: Any) -> None:
        self.inputs.setdefault(id(model), _tensors(given))

    def _noting(self, model: KerasModel, name: str) -> Any:
        def note(module: nn.Module, given: Any, options: Any, made: Any) -> None:
            calls = self.outputs.setdefault(id(model), {}).setdefault(name, [])
            if _makes_mask(module):
                mask: Any = module.compute_mask(given[0], None)  # type: ignore[operator]
                source = Mask(name, len(calls))
                self.sources.setdefault(id(model), []).append((source, mask))
            elif isinstance(made, torch.Tensor) and made.dtype == torch.bool:
                self.sources.setdefault(id(model), []).append((Mask(name, len(calls)), made))
            calls.append(_tensors(made))
            masks = {key: value for key, value in options.items() if is_mask(key) and is_any(value)}
            self.masks.setdefault((id(model), name), []).append(masks)

        return note

    def _watch_join(self, child: Any) -> None:
        """Notes which mask a layer joins of those of its inputs, when a model asks it."""
        join = child.compute_mask

        def noted(inputs: Any, masks: Any) -> Any:
            made = join(inputs, masks)
            for model, name in self._joining[child] if made is not None else ():
                number = len(self.outputs[id(model)][name]) - 1
                parents = tuple(None if m is None else self.source(model, m) for m in masks)
                self.sources.setdefault(id(model), []).append((Mask(name, number, parents), made))
            return made

        child.compute_mask = noted

    def source(self, model: KerasModel, mask: Any) -> Mask:
        """Returns where a mask comes from that a call in a model gets."""
        for source, made in self.sources.get(id(model), []):
            same = isinstance(mask, torch.Tensor) and mask.shape == made.shape
            if same and torch.equal(mask.bool(), made):
                return source
        return Mask("", 0)

    def remove(self) -> None:
        """Takes the hooks away."""
        for hook in self._hooks:
            hook.remove()
        for child in self._joining:
            del child.compute_mask  # the method of its class is there again


def _run(twin: KerasModel, config: Config, length: int, size: int) -> _Recorder:
    recorder = _Recorder(twin, size)
    settings = {name_of(layer): layer["config"] for layer in config["layers"]}
    given = []
    for number, place in enumerate(_tensors_at(twin.graph.inputs)):
        layer_config = settings[place.layer]
        shape = layer_config.get("batch_shape") or layer_config["shape"]
        dtype = getattr(torch, layer_config["dtype"])
        sides = [side or length for side in shape[1:]]
        given.append(_drawn([size, *sides], dtype, number))
    training = twin.training
    try:
        with torch.no_grad():
            recorder.ends = _tensors(twin.eval()(*given))
    finally:
        twin.train(training)
        recorder.remove()
    return recorder


def _traced(twin: KerasModel, config: Config, first: _Recorder, second: _Recorder) -> Traced:
    entries = {layer.get("name") or name_of(layer): layer for layer in config["layers"]}
    shapes: dict[Tensor, Shape] = {}
    fixed: set[tuple[str, int]] = set()  # calls that no batch goes into
    has_batches = first.size == second.size
    whole: set[Tensor] = set()
    truths: set[Tensor] = set()

    def note(place: Tensor, one: torch.Tensor, other: torch.Tensor) -> None:
        sides = [a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)]
        if has_batches and (place.layer, place.call) not in fixed:
            sides = [None, *sides[1:]]
        shapes[place] = tuple(sides)
        if not one.is_floating_point():
            whole.add(place)
        if one.dtype == torch.bool:
            truths.add(place)

    places = _tensors_at(twin.graph.inputs)
    for place, *both in zip(places, first.inputs[id(twin)], second.inputs[id(twin)], strict=True):
        note(place, *both)
    made = [recorder.outputs.get(id(twin), {}) for recorder in (first, second)]
    numbers: dict[str, int] = {}
    for call in twin.graph.calls:
        number = numbers.get(call.layer, 0)
        numbers[call.layer] = number + 1
        takes = {(tensor.layer, tensor.call) for tensor in tensors_of(call)}
        if is_array_or_weight(entries[call.layer]) or (takes and takes <= fixed):
            fixed.add((call.layer, call.number))
        pairs = zip(*(each[call.layer][number] for each in made), strict=True)
        for index, (one, other) in enumerate(pairs):
            note(Tensor(call.layer, call.number, index), one, other)
    inner: dict[str, Traced] = {}
    tied: dict[str, str] = {}
    masked_steps: set[str] = set()
    known: dict[int, Traced] = {}  # a model in two places is traced once
    names = {id(child): twin.keras_names[name] for name, child in twin.named_children()}
    for name, layer in entries.items():
        child = getattr(twin, legal_name(name), None)
        if isinstance(child, TimeDistributed):
            child, layer = child.get_submodule(child.name), layer["config"]["layer"]
            if "mask" in mask_arguments(child):
                masked_steps.add(name)
            if id(child) in names:
                tied[name] = names[id(child)]
        if isinstance(child, KerasModel):
            if id(child) not in known:
                known[id(child)] = _traced(child, layer["config"], first, second)
            inner[name] = known[id(child)]
    masks = {
        (call.layer, call.number): found
        for call in twin.graph.calls
        if (found := _masks_of(first, twin, call))
    }
    return Traced(
        config.get("name", "model"),
        twin.graph,
        entries,
        shapes,
        frozenset(whole),
        frozenset(truths),
        masks,
        {},
        inner,
        tied,
        frozenset(masked_steps),
    )


def _masks_of(recorder: _Recorder, twin: KerasModel, call: Call) -> dict[str, Masks]:
    """Returns where the masks come from that a call gets."""
    calls = recorder.masks.get((id(twin), call.layer), [])
    masks = calls[call.number] if call.number < len(calls) else {}
    found: dict[str, Masks] = {}
    for name, mask in masks.items():
        if isinstance(mask, list | tuple):
            found[name] = tuple(None if m is None else recorder.source(twin, m) for m in mask)
        else:
            found[name] = recorder.source(twin, mask)
    return found


def _makes_mask(module: nn.Module) -> bool:
    is_embedding = isinstance(module, layers.Embedding) and module.mask_zero
    custom_layer = module.layer if isinstance(module, CustomLayer) else None
    return (
        isinstance(module, layers.Masking) or is_embedding or hasattr(custom_layer, "compute_mask")
    )


def _drawn(shape: list[int], dtype: torch.dtype, number: int) -> torch.Tensor:
    """Returns numbers some of which are 0, and some steps of which are, so that masks differ.

    Those of inputs of one shape differ, too, by the number of the input.
    """
    generator = torch.Generator().manual_seed(1000 * number + sum(shape))
    numbers = torch.randint(0, 2, shape, generator=generator)  # of tokens, too
    if dtype.is_floating_point and len(shape) > 1:
        numbers = numbers * (torch.rand([*shape[:-1], 1], generator=generator) < 0.7)
    return numbers.to(dtype)


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
