"""The weights of a Keras model in the module that was written of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from torch import nn

from torch_impl.source.naming import attributes_of, chain_names
from torch_impl.source.program import Line, Program
from torch_impl.weights import assign


def paths(program: Program) -> Iterator[tuple[str, str]]:
    """Yields (path of a Keras layer, path of its module) of each layer that has a module."""
    done = set()
    for line in program.lines:
        name = attributes_of(program).get(line.name) if line.is_module else None
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
                yield member.name, f"{path}.{attributes[inner.name]}"
    elif line.program is not None:
        for layer, inside in paths(line.program):
            yield f"{line.name}/{layer}", f"{path}.{inside}"
    else:
        yield line.name, path


def carry(module: nn.Module, program: Program, weights: Mapping[str, np.ndarray]) -> None:
    """Puts the weights of a Keras model into a module.

    Args:
        module: the written one.
        program: of which it was written.
        weights: by Keras's paths below the model.

    Raises:
        ValueError: a weight belongs to no module, or a shape is wrong.
    """
    left = set(weights)
    for layer, path in paths(program):
        own = {name: array for name, array in weights.items() if name.startswith(f"{layer}/")}
        if own:
            assigned = assign(
                module.get_submodule(path),
                {name.removeprefix(f"{layer}/"): array for name, array in own.items()},
            )
            left -= {f"{layer}/{name}" for name in assigned}
    if left:
        raise ValueError(f"weights {sorted(left)}: expected a module for each")
