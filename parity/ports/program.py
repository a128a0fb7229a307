"""Program: the lines of a `forward`, each with its tensors and the module that it calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from parity.ports.form import Layout, Shape
from torch_impl.keras_config.graph import fill
from torch_impl.keras_config.planned import Planned


@dataclass(frozen=True)
class Value:
    """A tensor in a `forward`.

    Attributes:
        number: tells it from others.
        shape: in Keras's layout.
        layout: where its channels are.
        name: Keras's name of the layer that made it.
    """

    number: int
    shape: Shape
    layout: Layout
    name: str

    @property
    def written_shape(self) -> Shape:
        """Its shape in its layout."""
        if self.layout is not Layout.FIRST:
            return self.shape
        return (self.shape[0], self.shape[-1], *self.shape[1:-1])


@dataclass(frozen=True)
class Line:
    """A line of a `forward`.

    Attributes:
        name: Keras's name of the layer; "" for a change of layout.
        inside: name of the layer in it that is called, if it is a wrapper.
        text: of the expression: see `Form`.
        inputs, outputs: its tensors.
        made: the module; None: none is needed.
        program: of a model that is a layer; None: it is none.
        why: what a comment beside the module says.
        note: what a comment beside the expression says.
        given: arguments of a block, or of a model whose class others have, too.
        members: the lines that the call of a block replaces; or those of the model, whose names
            are below that of the line.
        is_named: whether a block has its name from Keras.
        chain: blocks that follow each other, in a sequence.
        drawn: number of the first draw of Keras for the module; None: nothing is drawn.
    """

    name: str
    text: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    made: Planned | None = None
    program: Program | None = None
    why: str = ""
    note: str = ""
    inside: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[Line, ...] = ()
    is_named: bool = False
    chain: tuple[Line, ...] = ()
    drawn: int | None = None

    @property
    def keras_path(self) -> str:
        """Path of what is called, as Keras's weights have it."""
        return f"{self.name}/{self.inside}" if self.inside else self.name

    @property
    def is_module(self) -> bool:
        """Whether the line calls a module."""
        return self.made is not None or self.program is not None or bool(self.chain)


@dataclass(eq=False)
class Program:
    """A model as lines.

    Attributes:
        name: Keras's name of the model.
        inputs: its tensors by name, in Keras's order.
        outputs: a `Value` for each, in the structure that the model returns.
        lines: of its `forward`.
        parameters: of a block, with the values of the first one.
        has_shapes: whether tensors have the same shapes in each use of a block.
        repeats: how often a block stands in the network.
        taken: of a block, the shapes of each input in its uses, by name.
        arrays: in its graph, by the names of the operations that take them.
        is_model: whether it is one of Keras's, and no block.
    """

    name: str
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: Any = None
    lines: list[Line] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    has_shapes: bool = True
    repeats: int = 1
    taken: Mapping[str, Sequence[Shape]] = field(default_factory=dict)
    arrays: dict[str, torch.Tensor] = field(default_factory=dict)
    is_model: bool = True


def in_branches(program: Program) -> None:
    """Puts the lines of a branch behind each other; Keras goes from one branch to another.

    Calls of one module keep their order: they draw masks, and move statistics. Of two branches of
    different inputs, that comes first which the program has made first, such as an encoder.
    """
    begins = _begins(program)
    makers = {value.number: line for line in program.lines for value in line.outputs}
    earlier: dict[int, Line] = {}  # the call of the same module before a line
    last: dict[str, Line] = {}
    for line in program.lines:
        if line.is_module:
            if line.name in last:
                earlier[id(line)] = last[line.name]
            last[line.name] = line
    wanted = [makers[v.number] for v in values_in(program.outputs) if v.number in makers]
    done: dict[int, Line] = {}
    waiting = wanted[::-1]
    while waiting:
        line = waiting[-1]
        needed = [makers[value.number] for value in line.inputs if value.number in makers]
        needed += [earlier[id(line)]] if id(line) in earlier else []
        before = [each for each in needed if id(each) not in done]
        if len({begins[id(each)][0] for each in before}) > 1:
            before.sort(key=lambda each: begins[id(each)][1])
        if before:
            waiting += before[::-1]
        else:
            waiting.pop()
            done.setdefault(id(line), line)
    # What no output needs changes nothing, but a layer of it has weights.
    left: list[Line] = []
    needed_by_left: set[int] = set()
    for line in reversed(program.lines):
        is_needed = any(value.number in needed_by_left for value in line.outputs)
        if id(line) not in done and (line.is_module or is_needed):
            left.append(line)
            needed_by_left |= {value.number for value in line.inputs}
    program.lines = [*done.values(), *reversed(left)]


def _begins(program: Program) -> dict[int, tuple[frozenset[int], float]]:
    """Returns what goes into each line by its ID: numbers of inputs, and the first draw before it.

    The lines are in an order in which each follows what it takes.
    """
    found: dict[int, tuple[frozenset[int], float]] = {}
    inputs = {value.number for value in program.inputs.values()}
    made: dict[int, tuple[frozenset[int], float]] = {
        number: (frozenset([number]), math.inf) for number in inputs
    }
    for line in program.lines:
        before = [made[value.number] for value in line.inputs if value.number in made]
        draws = [math.inf if line.drawn is None else line.drawn, *(draw for _, draw in before)]
        found[id(line)] = frozenset().union(*(reached for reached, _ in before)), min(draws)
        made |= {value.number: found[id(line)] for value in line.outputs}
    return found


def values_in(structure: Any) -> list[Value]:
    """Returns the tensors in nested lists and dicts."""
    found: list[Value] = []
    fill(structure, lambda value: found.append(value) if isinstance(value, Value) else None)
    return found


def first_draw(lines: Sequence[Line]) -> int | None:
    """Returns the number of the first draw for any of these lines."""
    return min((line.drawn for line in lines if line.drawn is not None), default=None)


def all_of(program: Program) -> Sequence[Program]:
    """Returns a program and those inside of it, the innermost first, each once."""
    found: list[Program] = []
    for line in program.lines:
        for each in (line, *line.chain):
            if each.program is not None:
                found += [inner for inner in all_of(each.program) if inner not in found]
    return [*found, program]


def has_masks(program: Program) -> bool:
    """Whether an output of a model carries a mask."""
    return any("with_mask(" in line.text for line in program.lines)
