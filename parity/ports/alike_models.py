"""Models that are layers of one network, and do the same, share one class."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from parity.ports.alike import sign_of_model
from parity.ports.block_class import block_of, family
from parity.ports.names import block_name
from parity.ports.program import Line, Program

_MOST_ARGUMENTS = 4  # of a class; more differences make a class of its own clearer


def share_classes(program: Program) -> None:
    """Gives models in a program one class, if they differ in few numbers alone.

    So it is with the perceptron, a Sequential, of each block of a transformer. A model that is
    called twice is left as it is.
    """
    groups: dict[Any, list[int]] = {}
    calls = Counter(id(line.program) for line in program.lines)
    for number, line in enumerate(program.lines):
        if line.program is None or calls[id(line.program)] > 1:
            continue
        sign = sign_of_model(line.program)
        if sign is not None:
            groups.setdefault((line.text, line.note, sign), []).append(number)
    for numbers in groups.values():
        if len(numbers) > 1:
            _share(program, numbers)


def _share(program: Program, numbers: list[int]) -> None:
    lines = [program.lines[number] for number in numbers]
    models = [line.program for line in lines if line.program is not None]
    parts = [model.lines for model in models]
    inputs = [list(model.inputs.values()) for model in models]
    shared, vectors = block_of(parts, inputs, models[0].outputs)
    if len(vectors) > _MOST_ARGUMENTS:
        return
    shared.is_model = True
    shared.name = block_name([line.name for line in lines], family(parts[0]))
    for index, (number, line) in enumerate(zip(numbers, lines, strict=True)):
        program.lines[number] = replace(
            line,
            program=shared,
            given={name: vector[index] for name, vector in vectors.items()},
            members=tuple(_below(line.keras_path, member) for member in parts[index]),
        )


def _below(path: str, line: Line) -> Line:
    """Returns a line of a model with the path that Keras gives its layer in the whole."""
    return replace(
        line,
        name=f"{path}/{line.name}" if line.name else "",
        members=tuple(_below(path, member) for member in line.members),
    )
