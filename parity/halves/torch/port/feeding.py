"""How the inputs of a batch become the arguments of a port's module, or of its `feed`.

A list of inputs in Keras's order goes in. The arguments come out: one after the other, by their
names, or all in the structure in which Keras's model takes them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.data.model_inputs import packed
from parity.halves.torch.kinds import SPATIAL

# Makes the arguments of a module from the inputs.
Form = Callable[[Sequence[Any]], tuple[Any, ...]]


class Feeding:
    """The inputs of Keras's model, as a port gets them.

    Args:
        facts: of Keras's trace: `inputs` and `input_structure`; without them, inputs have no names.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        told = facts.get("inputs") or []
        self.names = [str(each["name"]) for each in told]
        in_a_row = list(range(len(told))) if len(told) > 1 else 0
        self._structure: Any = facts.get("input_structure", in_a_row)

    def call(self, feed: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Returns what a port's `feed` makes of a batch.

        It gets the arrays by keyword if it has an argument of the name of each input; all in one if
        there are several and it has one argument; else one after the other.
        """
        names, takes_any = positional(feed)
        if len(arrays) > 1 and len(arrays) == len(self.names):
            if set(self.names) <= {*names, *_keywords(feed)}:
                return feed(**dict(zip(self.names, arrays, strict=True)))
            if len(names) == 1 and not takes_any:
                return feed(packed(self._structure, arrays))
        return feed(*arrays)

    def forms(self, forward: Callable[..., Any]) -> list[Form]:
        """Returns the ways in which a module may take its inputs, the likeliest first.

        Args:
            forward: of the module.
        """
        structure = self._structure
        names, takes_any = positional(forward)
        parts = list(structure.values()) if isinstance(structure, Mapping) else structure
        flat: list[Form] = [tuple]
        in_a_row = list(flat)
        if isinstance(parts, list) and any(not isinstance(part, int) for part in parts):
            in_a_row.insert(0, lambda x: tuple(packed(part, x) for part in parts))
        whole: list[Form] = [] if structure == 0 else [lambda x: (packed(structure, x),)]
        by_name = self._by_name(names)
        if takes_any:
            return [*whole, *flat] if isinstance(structure, Mapping) else [*in_a_row, *whole]
        if len(names) < len(self.names) and not by_name:
            return [*whole, *in_a_row]
        if isinstance(structure, Mapping):
            return [*by_name, *in_a_row, *whole]
        return [*in_a_row, *by_name, *whole]

    def _by_name(self, names: Sequence[str]) -> list[Form]:
        """Returns the form that gives each input to the argument of its name, if all have one."""
        by_name = self._structure
        if by_name == 0:
            return []
        if not isinstance(by_name, Mapping):
            by_name = {name: number for number, name in enumerate(self.names)}
        first = names[: len(by_name)]
        if set(first) != set(by_name):
            return []
        return [lambda x: tuple(packed(by_name[name], x) for name in first)]


def positional(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """Returns the names of positional arguments, and whether there may be more of them."""
    kinds = _parameters(function)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, kind in kinds.items() if kind in plain]
    return names, inspect.Parameter.VAR_POSITIONAL in kinds.values()


def _keywords(function: Callable[..., Any]) -> list[str]:
    kinds = _parameters(function)
    return [name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY]


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return {p.name: p.kind for p in inspect.signature(function).parameters.values()}
    except (TypeError, ValueError):  # a function in C may not tell them
        return {"arguments": inspect.Parameter.VAR_POSITIONAL}


def has_channels_first(array: np.ndarray, nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether torch's layers take an input with channels first: an image, or a signal.

    Args:
        array: the input in Keras's layout.
        nodes: of Keras.
    """
    if array.ndim != 3:
        return array.ndim > 3
    shape = list(array.shape[1:])  # without the batch size, which differs in the last batches
    for node in nodes:
        if shape in [given[1:] for given in node["input_shapes"]]:
            return node["kind"] in SPATIAL
    return False


def on_device(value: Any, device: str) -> Any:
    """Returns a nest with its tensors on a device; arrays become tensors."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, list | tuple):
        return type(value)(on_device(item, device) for item in value)
    if isinstance(value, dict):
        return {name: on_device(item, device) for name, item in value.items()}
    return value


def fitting(
    tensors: Sequence[torch.Tensor], arrays: Sequence[np.ndarray]
) -> list[tuple[torch.Tensor, np.ndarray]]:
    """Returns each tensor with the input it is made of, in whatever order the port takes them."""
    left, found = list(arrays), []
    for tensor in tensors:
        number = next((n for n, x in enumerate(left) if x.size == tensor.numel()), None)
        if number is not None:
            found.append((tensor, left.pop(number)))
    return found
