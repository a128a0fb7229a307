"""Program: the lines of a `forward`, with their names, tensors and modules."""

from __future__ import annotations

import ast
import builtins
import itertools
import keyword
import math
import re
import types
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from parity.ports.form import Layout, Shape
from torch_impl import data_file
from torch_impl.keras_config.graph import fill
from torch_impl.keras_config.planned import Planned
from torch_impl.plain import training

# --- Names that a source uses: "Conv2D" of `parts.Conv2D(3, 8, 3)`, and those that it imports -----


def names_used(source: str, module: str) -> frozenset[str]:
    """Returns the attributes of a module that a source reads.

    Args:
        source: of a file.
        module: the name under which it has the module.
    """
    return frozenset(
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == module
    )


def imported_from(source: str, packages: Sequence[str]) -> list[str]:
    """Returns the names that a source imports from some packages.

    Args:
        source: of a file.
        packages: names of the outermost ones.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            if str(node.module).partition(".")[0] in packages:
                found += [each.name for each in node.names]
        elif isinstance(node, ast.Import):
            found += [e.name for e in node.names if e.name.partition(".")[0] in packages]
    return found


def defined_in(sources: Iterable[str]) -> frozenset[str]:
    """Returns the names of the functions and classes of some sources, at their outermost level."""
    return frozenset(
        node.name
        for source in sources
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    )


def names_called(source: str, known: Sequence[str]) -> list[str]:
    """Returns the known functions that a source calls, and the classes of its arguments.

    Args:
        source: of some statements.
        known: names.
    """
    return [name for name in known if re.search(rf"(?<![\w.]){name}[(,]", source)]


# --- Names in the written source: of modules, of classes, and of the variables of a `forward` -----


_OF_PYTHON = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist})
# Attributes by which a generator, a function or an error leads to all of Python.
INSIDE = frozenset(
    name
    for kind in (
        *(types.AsyncGeneratorType, types.CodeType, types.CoroutineType, types.FrameType),
        *(types.GeneratorType, types.TracebackType),
    )
    for name in dir(kind)
    if re.match(r"(gi|cr|ag|tb|co|f)_", name)
)
_OF_MODULES = frozenset(dir(nn.Module()))
# What a module has itself, and names that model.py imports.
_RESERVED = _OF_MODULES | {
    *("self", "F", "nn", "torch", "layers", "activations", "arrays", "clip", "with_mask", "parts"),
    *("OPERATIONS", "OrderedDict", "through_float32"),
}
# Classes and constants that train.py, model.py and the test import or define.
_OF_FILES = frozenset(
    {*("Any", "Arrays", "Path", "Port", "Trainer", "KerasSeeds", "Penalty", "RegularizedLoss")}
    | {*("F", "OPERATIONS", "OrderedDict", "WEIGHTS", "Mapping")}
    | {name for name in dir(training) if not name.startswith("_")}
    | set(data_file.__all__)
)
_DEFAULT = re.compile(r"(sequential|functional|model)(_\d+)?")
_LONGEST = 100  # characters of a name; nobody reads a longer one


def identifier(name: str, reserved: Iterable[str] = (), instead: str = "layer") -> str:
    """Returns a name as an identifier, whatever text it is: the one function that makes them.

    It is in Python's normal form (NFKC), so that two that look different to Python do so to all;
    is no word of Python, and does not begin with "__", which a class would read otherwise. A number
    in front goes to the end: "1_conv" is conv_1.

    Args:
        name: any text.
        reserved: names that it must not be; it gets a "_" at its end then.
        instead: of a name without letters and digits.
    """
    name = unicodedata.normalize("NFKC", name[:_LONGEST])[:_LONGEST]
    name = "".join(each if f"a{each}".isidentifier() else "_" for each in name)
    name = unicodedata.normalize("NFKC", name)
    if not re.search(r"[^\W_]", name):
        name = instead
    elif re.search(r"[^\W\d_]", name):
        while (number := re.match(r"(\d+)_?", name)) is not None:
            name = f"{name[number.end() :]}_{number[1]}"
    name = re.sub(r"^_{2,}", "_", name)
    if not name.isidentifier():
        name = f"_{name}"
    is_reserved = name in reserved or name in _OF_PYTHON or name in INSIDE
    return f"{name}_" if is_reserved else name


def is_plain(name: str) -> bool:
    """Whether a name can stand in the text of a sentence, of a path and of a comment as it is.

    It has letters, digits, "_", " ", "-", "+" and ":" alone, in Python's normal form.
    """
    letters = re.sub(r"[ +:-]", "", name)
    is_normal = unicodedata.normalize("NFKC", name) == name == name.strip()
    return bool(letters) and is_normal and f"_{letters}".isidentifier() and len(name) <= _LONGEST


def attribute(name: str) -> str:
    """Returns Keras's name of a layer as an attribute of a module: see `identifier`."""
    return identifier(name, _RESERVED)


def member_name(name: str) -> str:
    """Returns the attribute of a layer of the user's as one of a module: "parts.0" stays.

    What `nn.Module` has itself gets another name: "modules" is modules_.
    """
    first, dot, rest = name.partition(".")
    return f"{identifier(first, _OF_MODULES)}{dot}{rest}"


def input_names(names: Iterable[str]) -> dict[str, str]:
    """Returns the argument of a `forward` for each input, by Keras's names of these."""
    found: dict[str, str] = {}
    for name in names:
        found[name] = distinct(attribute(name), found.values())
    return found


def class_name(name: str) -> str:
    """Returns Keras's name of a model as that of a class; "Net" for a name that Keras gave.

    A number at the end tells models apart. Several are settings, which name no class:
    "mobilenetv2_1.00_224" is Mobilenetv2.
    """
    if _DEFAULT.fullmatch(name):
        return "Net"
    words = re.split(r"[\W_]+", unicodedata.normalize("NFKC", name[:_LONGEST]))
    numbers = list(itertools.takewhile(str.isdigit, reversed(words)))
    if 1 < len(numbers) < len(words):
        words = words[: -len(numbers)]
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    made = identifier(joined if joined[:1].isalpha() else f"Net{joined}", instead="Net")
    return f"{made.rstrip('_')}Net" if made in _OF_FILES or made != made.rstrip("_") else made


def distinct(name: str, used_names: Iterable[str]) -> str:
    """Returns the name, with a number behind it if it is in use."""
    used, number, found = set(used_names), 1, name
    while found in used:
        number += 1
        found = f"{name}{number}"
    return found


def common_prefix(names: Sequence[str]) -> str:
    """Returns what names have in common up to their last "_"; "" if one name is all of it."""
    if not names:
        return ""
    least, most = min(names), max(names)
    length = next((n for n, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), None)
    shared = least[: len(least) if length is None else length]
    return shared[: shared.rfind("_") + 1]


def block_name(prefixes: Sequence[str], family: str) -> str:
    """Returns the name of a class for parts whose layers have names with a prefix.

    Args:
        prefixes: of each part, "conv2_block1_"; or "". Numbers aside, all have to be the same:
            "down1_" says nothing of the part "bottom_".
        family: its name without a prefix.
    """
    found = set()
    for prefix in prefixes:
        words = [re.sub(r"\d+[a-z]?$", "", word) for word in prefix.split("_")]
        found.add("_".join(word for word in words if word and not word.isdigit()))
    shared = found.pop() if len(found) == 1 else ""
    return class_name(family if not shared or _DEFAULT.fullmatch(shared) else shared)


# --- Program: the lines of a `forward`, each with its tensors and the module that it calls --------


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
    origins = _origins(program)
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
        if len({origins[id(each)][0] for each in before}) > 1:
            before.sort(key=lambda each: origins[id(each)][1])
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


def _origins(program: Program) -> dict[int, tuple[frozenset[int], float]]:
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


# --- The attributes of a written module, by the layers of the Keras model -------------------------


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
