"""The weights of a Keras model in the module that was written of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from torch import nn

from torch_impl.layouts import Variable, variables
from torch_impl.source.naming import attributes_of, chain_names
from torch_impl.source.program import Line, Program
from torch_impl.weights import match, set_variable


def paths(program: Program) -> Iterator[tuple[str, str]]:
    """Yields (path of a Keras layer, path of its module) of each layer that has a module."""
    attributes, done = attributes_of(program), set()
    for line in program.lines:
        name = attributes.get(line.name) if line.is_module else None
        if name is not None and line.name not in done:
            done.add(line.name)
            yield from _of_line(line, name)


def _of_line(line: Line, path: str) -> Iterator[tuple[str, str]]:
    if line.chain:
        for name, each in zip(chain_names(line), line.chain, strict=True):
            yield from _of_line(each, f"{path}.{name}")
    elif line.members and line.program is not None:
        attributes = attributes_of(line.program)
        for member, inner in zip(line.members, line.program.lines, strict=True):
            if inner.is_module:
                yield member.keras_path, f"{path}.{attributes[inner.name]}"
    elif line.program is not None:
        for layer, inside in paths(line.program):
            yield f"{line.keras_path}/{layer}", f"{path}.{inside}"
    else:
        yield line.keras_path, path


def targets(module: nn.Module, program: Program) -> dict[str, Variable]:
    """Returns the variables of a written module by Keras's paths."""
    return {
        f"{layer}/{variable.name}": variable
        for layer, path in paths(program)
        for variable in variables(module.get_submodule(path))
    }


def carry(module: nn.Module, program: Program, weights: Mapping[str, np.ndarray]) -> None:
    """Puts the weights of a Keras model into a module.

    Args:
        module: the written one.
        program: of which it was written.
        weights: by Keras's paths, in which outer models may be left out.

    Raises:
        ValueError: a weight belongs to no module or a module gets none, or a shape is wrong.
    """
    known = targets(module, program)
    found = match(list(weights), list(known))
    unknown, missing = sorted(set(weights) - set(found)), sorted(set(known) - set(found.values()))
    if unknown or missing:
        raise ValueError(f"weights {unknown} belong to no module, and {missing} are missing")
    for name, target in found.items():
        set_variable(known[target], name, weights[name])
