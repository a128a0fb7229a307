"""The attributes of a written module, by the layers of the Keras model."""

from __future__ import annotations

from parity.ports.names import attribute, distinct
from parity.ports.program import Line, Program


def attributes_of(program: Program) -> dict[str, str]:
    """Returns the attribute of each layer that has a module, in the order of the lines."""
    found: dict[str, str] = {}
    for line in program.lines:
        if line.is_module and line.name not in found:
            found[line.name] = distinct(attribute(line.name), found.values())
    return found


def chain_names(line: Line) -> list[str]:
    """Returns the names of the blocks of a sequence: Keras's, or numbers."""
    if all(each.is_named for each in line.chain):
        names: list[str] = []
        for each in line.chain:
            names.append(distinct(attribute(each.name), names))
        return names
    return [str(number) for number in range(len(line.chain))]
