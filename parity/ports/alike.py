"""What lines of a program have in common, and the numbers in which they differ.

Lines are alike if they do the same, but for numbers that the arguments of a class could be. A model
that is a layer is alike if all of it is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parity.ports.form import defaults_of
from parity.ports.program import Line, Program, Value, values_in
from torch_impl.keras_config.graph import fill
from torch_impl.keras_config.planned import Planned

Slot = int | str


def signs_of(lines: Sequence[Line]) -> list[Any]:
    """Returns what two lines must have in common; None for a line that is a block already."""
    found: list[Any] = []
    for line in lines:
        if line.chain or (line.program is not None and not line.program.is_model):
            found.append(None)
            continue
        made: Any = None
        if line.made is not None:
            inner = tuple(repr(v) for v in line.made.arguments if isinstance(v, Planned))
            made = (line.made.kind, len(line.made.arguments), inner, *_odd(line.made))
        elif line.program is not None:
            made = (_whole(line.program), tuple(line.given))
        found.append((line.text, made, line.note, len(line.outputs)))
    return found


def sign_of_model(program: Program) -> Any:
    """Returns what two models must have in common to be alike but for numbers.

    None: the model has a block already, or arrays of its graph.
    """
    signs = signs_of(program.lines)
    return None if None in signs or program.arrays else _wired(program, signs)


def differing(parts: Sequence[Sequence[Line]]) -> list[tuple[int, Slot, tuple[Any, ...]]]:
    """Returns (number of the line, argument, its value in each part) of what differs."""
    found: list[tuple[int, Slot, tuple[Any, ...]]] = []
    for number, lines in enumerate(zip(*parts, strict=True)):
        if lines[0].made is not None:
            made = [line.made for line in lines if line.made is not None]
            names = sorted({name for each in made for name in each.settings})
            slots = [slots_of(each, names) for each in made]
        else:
            slots = [dict(line.given) for line in lines]
        for slot in slots[0]:
            vector = tuple(each[slot] for each in slots)
            if any(value != vector[0] for value in vector):
                found.append((number, slot, vector))
    return found


def slots_of(made: Planned, names: Sequence[str]) -> dict[Slot, Any]:
    """Returns the arguments of a module by place or name, with the defaults of these names."""
    defaults = defaults_of(made)
    found: dict[Slot, Any] = dict(enumerate(made.arguments))
    return found | {name: made.settings.get(name, defaults.get(name)) for name in names}


class Wires:
    """Tells where the tensors of lines come from: a line among them, or outside.

    Attributes:
        inputs: the tensors from outside, in the order of their use.
    """

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self._made: dict[int, tuple[int, int]] = {}
        self._modules: dict[str, int] = {}
        self._count = 0

    def of(self, line: Line) -> tuple[Any, ...]:
        """Returns it for the next line, and which line has called its module before."""
        given: list[Any] = []
        for value in line.inputs:
            if value.number in self._made:
                given.append(self._made[value.number])
            else:
                if value not in self.inputs:
                    self.inputs.append(value)
                given.append(("in", self.inputs.index(value), value.layout, len(value.shape)))
        for index, value in enumerate(line.outputs):
            self._made[value.number] = (self._count, index)
        before = self._modules.setdefault(line.name, self._count) if line.is_module else None
        self._count += 1
        return (*given, before)

    def place(self, value: Value) -> Any:
        """Returns where a tensor comes from, likewise."""
        return self._made.get(value.number, ("in", value.name))


def _wired(program: Program, signs: Sequence[Any]) -> tuple[Any, ...]:
    """Returns what each line does, with which tensors, and which of them the model returns."""
    wires = Wires()
    wires.inputs = list(program.inputs.values())
    told = tuple((sign, wires.of(line)) for sign, line in zip(signs, program.lines, strict=True))
    ends = tuple((wires.place(value), value.layout) for value in values_in(program.outputs))
    structure = fill(program.outputs, lambda value: None)
    kinds = tuple((value.layout, len(value.shape)) for value in program.inputs.values())
    return told, ends, repr(structure), kinds


def _whole(program: Program) -> tuple[Any, ...]:
    """Returns what makes a model another one, its numbers included."""
    numbers = tuple(
        (tuple(map(repr, line.made.arguments)), repr(sorted(line.made.settings.items())))
        if line.made is not None
        else repr(sorted(line.given.items()))
        for line in program.lines
    )
    arrays = id(program) if program.arrays else None
    return _wired(program, signs_of(program.lines)), numbers, arrays


def _odd(made: Planned) -> tuple[str, ...]:
    """Returns the names of settings without a default, which both must have."""
    defaults = defaults_of(made)
    return tuple(sorted(name for name in made.settings if name not in defaults))
