"""What does not train since its layer says `trainable=False`, as source of train.py."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from parity.ports.form import literal
from parity.ports.graph import Traced, entries_by_path
from parity.ports.program import Program
from parity.ports.weights import paths

_MOST_STATEMENTS = 2  # more modules than that are named in a list


def frozen_text(module: nn.Module, program: Program, traced: Traced) -> list[str]:
    """Returns the statements that freeze `model`: nothing for a network that trains whole.

    Args:
        module: the written one.
        program: of which it was written.
        traced: the model.
    """
    layers = map(module.get_submodule, _frozen_layers(program, traced))
    frozen = {id(parameter) for layer in layers for parameter in layer.parameters()}
    found = list(_topmost(module, frozen))
    if len(found) <= _MOST_STATEMENTS:
        return [f"{_reached(path)}.requires_grad_(False)" for path in found]
    return [
        f"frozen = [{', '.join(map(literal, found))}]",
        "for name in frozen:",
        "    model.get_submodule(name).requires_grad_(False)",
    ]


def _frozen_layers(program: Program, traced: Traced) -> Iterator[str]:
    """Yields the paths of the modules whose layers do not train."""
    entries = entries_by_path(traced)
    for layer, path in paths(program):
        if layer in entries and not entries[layer]["config"].get("trainable", True):
            yield path


def _topmost(module: nn.Module, frozen: set[int], path: str = "") -> Iterator[str]:
    """Yields the paths of the largest modules all of whose parameters, by ID, are frozen."""
    parameters = {id(parameter) for parameter in module.parameters()}
    if parameters and parameters <= frozen:
        yield path
        return
    for name, child in module.named_children():
        yield from _topmost(child, frozen, f"{path}.{name}" if path else name)


def _reached(path: str) -> str:
    """Returns the expression for a module of `model`, as a person would write it."""
    if all(part.isidentifier() for part in path.split(".")):
        return f"model.{path}"
    return f"model.get_submodule({literal(path)})" if path else "model"
