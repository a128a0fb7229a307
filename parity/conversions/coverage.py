"""Whether every weight is used exactly once, and every parameter filled exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.carrying import held_tensors


@dataclass
class Coverage:
    """What has no place, or more than one.

    Attributes:
        unused: weights of Keras without a place in the module.
        unfilled: parameters of the module that no weight fills.
        constants: buffers and frozen parameters that no weight fills; they keep their values.
        twice: parameters that two weights fill.
        changed: weights that the module does not hold bit by bit, such as one that it computes.
        untied: layers that Keras calls several times, in a sentence each, where the module has
            parameters of their shapes that no weight fills.
    """

    unused: list[str] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    untied: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """One sentence for each kind of what is wrong."""
        told = (
            ("has no place in the module", "have no place in the module", self.unused),
            ("is filled by no weight", "are filled by no weight", self.unfilled),
            ("is filled by two weights", "are filled by two weights each", self.twice),
            ("is held with other values", "are held with other values", self.changed),
        )
        return [
            f"{listed(names)} {one if len(names) == 1 else many}"
            for one, many, names in told
            if names
        ] + self.untied


def listed(names: Sequence[str], most: int = 6) -> str:
    """Returns names in a row, the first of many."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def coverage_of(
    module: nn.Module,
    items: Sequence[Carried],
    arrays: Mapping[str, np.ndarray],
    spread: Mapping[str, Sequence[str]] = {},
) -> Coverage:
    """Returns what is wrong with the places of the weights, all of which are set.

    Args:
        module: that holds them.
        items: the weights with a place.
        arrays: all weights, by the same names.
        spread: weights in several parameters, with the names of these.
    """
    found = Coverage()
    names = {id(p): name for name, p in [*module.named_parameters(), *module.named_buffers()]}
    filled: dict[int, int] = {}
    for item in items:
        whole = item.variable.part is None
        for tensor in held_tensors(item.variable):
            filled[id(tensor)] = filled.get(id(tensor), 0) + whole
        if not _is_held(item, arrays[item.name]):
            found.changed.append(item.name)
    parts = {name for each in spread.values() for name in each}
    found.twice = [names.get(key, "?") for key, count in filled.items() if count > 1]
    placed = {item.name for item in items} | set(spread)
    found.unused = [name for name in arrays if name not in placed]
    kept = set(module.state_dict())
    for name, tensor in module.named_parameters():
        if id(tensor) not in filled and name not in parts:
            (found.unfilled if tensor.requires_grad else found.constants).append(name)
    for name, tensor in module.named_buffers():
        is_number = tensor.is_floating_point() and name in kept
        if is_number and id(tensor) not in filled and name not in parts:
            found.constants.append(name)
    return found


def unheld(module: nn.Module, items: Sequence[Carried]) -> list[str]:
    """Returns the names of the parameters of a module in which no weight is held."""
    held = {id(tensor) for item in items for tensor in held_tensors(item.variable)}
    return [name for name, tensor in module.named_parameters() if id(tensor) not in held]


def untied(
    facts: Mapping[str, Any], module: nn.Module, unfilled: Sequence[str], shapes: Mapping[str, Any]
) -> list[str]:
    """Returns a sentence for each shared layer of Keras that a module has several times, untied.

    Args:
        facts: of the trace, with the calls of the layers.
        module: that has the parameters.
        unfilled: names of those that no weight fills.
        shapes: of the weights of Keras, by name.
    """
    calls = Counter(tuple(node["weights"]) for node in facts.get("nodes", []))
    sizes = {
        name: sorted(module.get_parameter(name).shape)
        for name in unfilled
        if not _is_beside_filled(module, name, unfilled)
    }
    found = []
    for weights, count in calls.items():
        wanted = [sorted(shapes[name]) for name in weights if name in shapes]
        alike = [name for name, size in sizes.items() if size in wanted]
        if weights and count > 1 and alike:
            layer = weights[0].rpartition(".")[0]
            found.append(
                f"Keras calls the layer {layer!r} {count} times, with the same weights each time; "
                f"the module has other parameters of these shapes ({listed(alike)}): call one "
                f"module {count} times"
            )
    return found


def _is_beside_filled(root: nn.Module, name: str, unfilled: Sequence[str]) -> bool:
    """Whether a layer of torch has another parameter that is filled: then it is no second one."""
    path = name.rpartition(".")[0]
    owner = root.get_submodule(path)
    if not type(owner).__module__.startswith("torch.nn."):
        return False
    names = (f"{path}.{own}" for own, _ in owner.named_parameters(recurse=False))
    return any(each not in unfilled for each in names)


def _is_held(item: Carried, array: np.ndarray) -> bool:
    value = item.value()
    if item.variable.is_computed:  # a product of two tensors is right up to its rounding
        return value.shape == array.shape and bool(np.allclose(value, array, rtol=1e-6, atol=0))
    exact = torch.from_numpy(np.array(array)).to(item.variable.tensors[0].dtype).numpy()
    return bool(np.array_equal(value, exact, equal_nan=exact.dtype.kind == "f"))
