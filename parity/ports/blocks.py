"""Blocks: parts of a model that repeat, each as a class; what differs is an argument."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from parity.ports.form import Parameter, defaults_of, order_of
from parity.ports.program import (
    Line,
    Program,
    Value,
    all_of,
    attribute,
    block_name,
    common_prefix,
    distinct,
    first_draw,
    values_in,
)
from torch_impl import layers
from torch_impl.keras_config.graph import fill
from torch_impl.keras_config.planned import Planned

# --- What lines of a program have in common, and the numbers in which they differ -----------------
#
# Lines are alike if they do the same, but for numbers that the arguments of a class could be. A
# model that is a layer is alike if all of it is the same.


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
    lines = tuple((sign, wires.of(line)) for sign, line in zip(signs, program.lines, strict=True))
    ends = tuple((wires.place(value), value.layout) for value in values_in(program.outputs))
    structure = fill(program.outputs, lambda value: None)
    kinds = tuple((value.layout, len(value.shape)) for value in program.inputs.values())
    return lines, ends, repr(structure), kinds


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


# --------------------------------------------------------------------------------------------------
#
# The class of parts of a network that are alike: the numbers that differ are its arguments.


def block_of(
    parts: Sequence[Sequence[Line]],
    inputs: Sequence[Sequence[Value]],
    outputs: Any,
    prefix: str = "",
) -> tuple[Program, dict[str, tuple[Any, ...]]]:
    """Returns the class of several parts, and the values of its parameters in each part.

    Args:
        parts: the lines of each.
        inputs: of each, the tensors that come from outside.
        outputs: those that the first part returns, in their structure.
        prefix: of the names of its layers.
    """
    inner_names: dict[str, str] = {}  # a module that is called twice has one name
    for number, line in enumerate(parts[0]):
        if line.is_module and line.name not in inner_names:
            names = [part[number].name for part in parts]
            inner_names[line.name] = distinct(_inner_name(names, prefix), inner_names.values())
    vectors: dict[str, tuple[Any, ...]] = {}  # parameters in the order of their lines
    slots: dict[tuple[int, Slot], str] = {}
    for number, slot, vector in differing(parts):
        known = next((name for name, other in vectors.items() if other == vector), None)
        if known is None:
            line = parts[0][number]
            short = _slot_name(line.made, slot)
            known = short if short not in vectors else f"{inner_names[line.name]}_{short}"
            while known in vectors:
                known += "_"
            vectors[known] = vector
        slots[number, slot] = known
    lines = []
    for number, line in enumerate(parts[0]):
        given = {slot: Parameter(name) for (at, slot), name in slots.items() if at == number}
        made = line.made and _with_parameters(
            line.made, [part[number].made for part in parts], given
        )
        name = inner_names.get(line.name) or (line.name and _inner_name([line.name], prefix))
        passed_on = {**line.given, **{str(slot): value for slot, value in given.items()}}
        lines.append(replace(line, name=name, made=made, given={} if made else passed_on))
    vectors = dict(sorted(vectors.items(), key=lambda pair: not is_size(pair[0])))
    block = Program("block", lines=lines, is_model=False)
    block.inputs = {value.name or "x": value for value in inputs[0]}
    if len(block.inputs) < len(inputs[0]):
        block.inputs = {f"x{n}": value for n, value in enumerate(inputs[0])}
    block.taken = {
        name: tuple(dict.fromkeys(given[place].written_shape for given in inputs))
        for place, name in enumerate(block.inputs)
    }
    block.outputs = outputs
    block.parameters = {name: vector[0] for name, vector in vectors.items()}
    block.has_shapes = len({tuple(v.shape for line in p for v in line.outputs) for p in parts}) == 1
    block.repeats = len(parts)
    return block, vectors


def is_size(parameter: str) -> bool:
    """Whether a parameter says how many channels or features there are; these come first."""
    return parameter.endswith(("channels", "features"))


def _with_parameters(
    made: Planned, all_made: Sequence[Planned | None], given: Mapping[Slot, Parameter]
) -> Planned:
    """Returns what makes a module in all parts."""
    settings = sorted({name for each in all_made if each is not None for name in each.settings})
    order = [*made.settings, *(name for name in settings if name not in made.settings)]
    values: dict[Slot, Any] = {**slots_of(made, order), **given}
    arguments = [values[place] for place in range(len(made.arguments))]
    return Planned(made.kind, *arguments, **{name: values[name] for name in order})


def _inner_name(names: Sequence[str], prefix: str) -> str:
    """Returns the name of a layer within its block: without the prefix, or what counts the blocks.

    Args:
        names: of the layer in each part: "conv_1_bn" and "conv_2_bn" are conv_bn.
        prefix: of the first one.
    """
    if prefix:
        return attribute(names[0].removeprefix(prefix))
    columns = list(zip(*(name.split("_") for name in names), strict=False))
    kept = [column[0] for column in columns if len(set(column)) == 1]
    counts = [word for column in columns if len(set(column)) > 1 for word in column]
    if len({name.count("_") for name in names}) == 1 and kept and all(map(str.isdigit, counts)):
        return attribute(re.sub(r"_\d+$", "", "_".join(kept)))
    return attribute(re.sub(r"_\d+$", "", names[0]))


def _slot_name(made: Planned | None, slot: Slot) -> str:
    if isinstance(slot, str) or made is None:
        return str(slot)
    return list(order_of(made))[slot]


def family(lines: Sequence[Line]) -> str:
    """Returns the name of a class of such lines where Keras has none."""
    kinds = [line.made.kind for line in lines if line.made is not None]
    if any("Attention" in kind.__name__ for kind in kinds):
        return "transformer_block"
    if any("Conv" in kind.__name__ for kind in kinds):
        return "conv_block"
    recurrent = (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.Bidirectional)
    if any(kind in recurrent for kind in kinds):
        return "recurrent_block"
    is_mlp = set(kinds) <= {nn.Linear, layers.Dropout, nn.Dropout} and kinds.count(nn.Linear) > 1
    return "mlp" if is_mlp else "block"


# --- Models that are layers of one network, and do the same, share one class ----------------------


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


# --- Windows: the parts of a program that do the same, and which of them are worth a class --------


_LONGEST = 40  # lines of a block
_MOST_ENDS = 2  # tensors that go into a block, and that come out
_GAIN = 5  # lines that a class must save
_AT_MODULE = 0.5  # of several cuts that save alike, one that begins with a module is taken
_COST = 5  # lines that a class has beside those of its body


@dataclass(frozen=True)
class Window:
    """A part of a program.

    Attributes:
        start, stop: numbers of its lines.
        inputs: tensors from outside, in the order of their use.
        outputs: tensors that are used outside.
    """

    start: int
    stop: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def best_windows(program: Program) -> list[Window] | None:
    """Returns the equal windows whose calls save the most lines; None if none is worth it."""
    best: list[Window] | None = None
    most = float(_GAIN)
    for windows in _groups(program):
        apart: list[Window] = []
        for window in windows:
            if not apart or window.start >= apart[-1].stop:
                apart.append(window)
        if len(apart) < 2:
            continue
        gain = _gain(program, apart)
        if gain > most:
            best, most = apart, gain
    return best


def _gain(program: Program, windows: Sequence[Window]) -> float:
    length = windows[0].stop - windows[0].start
    parts = [program.lines[window.start : window.stop] for window in windows]
    num_arguments = len({vector for _, _, vector in differing(parts)})
    # A module has a line in `__init__`, too.
    size = sum(2 if line.is_module else 1 for line in parts[0])
    gain = (len(windows) - 1) * (size - 2) - _COST - num_arguments * len(windows) * 0.4
    prefixes = prefixes_of(parts)
    if all(prefixes):
        whole = all(_is_whole(program, w, p) for w, p in zip(windows, prefixes, strict=True))
        gain *= 1.5 if whole else 1.1
    elif any(_cuts(program, window) for window in windows):
        gain *= 0.5
    if parts[0][0].is_module:  # and not with the activation or the sum of what comes before
        gain += _AT_MODULE
    extra = len(windows[0].inputs) + len(windows[0].outputs) - 2
    return gain - extra * length * len(windows) * 0.3


def prefixes_of(parts: Sequence[Sequence[Line]]) -> list[str]:
    """Returns what the names of the layers in each part have in common, or "" for each.

    It has to tell the parts apart. Operations between layers need not have it: nobody names them.
    """
    for only_modules in (False, True):
        counted = [[x for x in part if x.is_module or not only_modules] for part in parts]
        found = [common_prefix([line.name for line in lines if line.name]) for lines in counted]
        if all(found) and len(set(found)) == len(found):
            return found
    return [""] * len(parts)


def _is_whole(program: Program, window: Window, prefix: str) -> bool:
    """Whether no line beside a window has the prefix of its names."""
    beside = program.lines[max(window.start - 1, 0) : window.start]
    beside = [*beside, *program.lines[window.stop : window.stop + 1]]
    return not any(line.name.startswith(prefix) for line in beside)


def _cuts(program: Program, window: Window) -> bool:
    """Whether a window begins or ends among lines whose names belong together."""
    for inside, outside in (
        (window.start, window.start - 1),
        (window.stop - 1, window.stop),
    ):
        if 0 <= outside < len(program.lines):
            names = [program.lines[number].name for number in (inside, outside)]
            if all(names) and any(letter.isdigit() for letter in common_prefix(names)):
                return True
    return False


def _groups(program: Program) -> Iterator[list[Window]]:
    """Yields the windows that do the same, for each length."""
    lines = program.lines
    signs = signs_of(lines)
    totals = Counter(line.name for line in lines if line.is_module)
    places = {v.number: (n, k) for n, line in enumerate(lines) for k, v in enumerate(line.outputs)}
    last: dict[int, int] = {}
    for number, line in enumerate(lines):
        last |= {value.number: number for value in line.inputs}
    last |= {value.number: len(lines) for value in values_in(program.outputs)}
    open_windows = {start: _Open(start) for start in range(len(lines)) if signs[start] is not None}
    for length in range(1, min(_LONGEST, len(lines) // 2) + 1):
        found: dict[Any, list[Window]] = {}
        for start in list(open_windows):
            stop = start + length
            if stop > len(lines) or signs[stop - 1] is None:
                del open_windows[start]
                continue
            window = open_windows[start]
            window.add(signs[stop - 1], lines[stop - 1])
            outputs = tuple(
                value
                for line in lines[start:stop]
                for value in line.outputs
                if last.get(value.number, -1) >= stop
            )
            is_block = len(window.inputs) <= _MOST_ENDS and 0 < len(outputs) <= _MOST_ENDS
            if length > 1 and is_block and window.has_all_calls(totals):
                ends = tuple((places[v.number][0] - start, places[v.number][1]) for v in outputs)
                made = Window(start, stop, tuple(window.inputs), outputs)
                found.setdefault((window.sign, ends), []).append(made)
        yield from (windows for windows in found.values() if len(windows) > 1)


class _Open:
    """A window that grows line by line."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.sign: tuple[Any, ...] = ()
        self._wires = Wires()
        self._calls: Counter[str] = Counter()

    @property
    def inputs(self) -> list[Value]:
        return self._wires.inputs

    def add(self, sign: Any, line: Line) -> None:
        self.sign = (*self.sign, hash((sign, self._wires.of(line))))
        if line.is_module:
            self._calls[line.name] += 1

    def has_all_calls(self, totals: Mapping[str, int]) -> bool:
        """Whether no line outside calls a module of the window."""
        return all(totals[name] == count for name, count in self._calls.items())


# --------------------------------------------------------------------------------------------------
#
# Blocks: parts of a model that repeat, each as a class with the numbers that differ as arguments.
#
# Lines repeat if they do the same with tensors that come from the same places. A repeated part has
# few tensors in and out; of several ways to cut, the one that leaves the fewest lines is taken, and
# names that Keras has in common ("conv2_block1_") say where a part begins.


def fold(program: Program) -> None:
    """Replaces repeated parts of a program by calls of blocks, until none is worth a class.

    So it does in each model that is a layer of it, such as the base of a transfer.
    """
    for each in all_of(program):
        share_classes(each)
    for each in all_of(program):
        while (best := best_windows(each)) is not None:
            _replace(each, best)
        _chain(each)


def _replace(program: Program, windows: Sequence[Window]) -> None:
    parts = [program.lines[window.start : window.stop] for window in windows]
    prefixes = prefixes_of(parts)
    ends = windows[0].outputs
    outputs = ends[0] if len(ends) == 1 else list(ends)
    inputs = [window.inputs for window in windows]
    block, vectors = block_of(parts, inputs, outputs, prefixes[0])
    block.name = block_name(prefixes, family(parts[0]))
    lines: list[Line] = []
    used_names = [line.name for line in program.lines]
    inside = {id(line) for part in parts for line in part}
    beside = [line.name for line in program.lines if id(line) not in inside]
    at = 0
    for number, (window, part) in enumerate(zip(windows, parts, strict=True)):
        lines += program.lines[at : window.start]
        placeholders = ", ".join(f"{{{n}}}" for n in range(len(window.inputs)))
        line_name = prefixes[number].rstrip("_")
        if line_name in beside:  # another part of the same block of Keras's is a block already
            line_name = distinct(next(line.name for line in part if line.is_module), beside)
        given = {name: vector[number] for name, vector in vectors.items()}
        lines.append(
            Line(
                line_name or distinct(family(parts[0]), used_names),
                f"{{self}}({placeholders})",
                window.inputs,
                window.outputs,
                program=block,
                given=given,
                members=tuple(part),
                is_named=bool(line_name),
                drawn=first_draw(part),
            )
        )
        used_names.append(lines[-1].name)
        at = window.stop
    program.lines = [*lines, *program.lines[at:]]


def _chain(program: Program) -> None:
    """Joins blocks that follow each other, each with one tensor in and out, in one sequence."""
    lines: list[Line] = []
    uses: dict[int, int] = {}
    for line in program.lines:
        for value in line.inputs:
            uses[value.number] = uses.get(value.number, 0) + 1
    for value in values_in(program.outputs):
        uses[value.number] = uses.get(value.number, 0) + 1
    for line in program.lines:
        before = lines[-1] if lines else None
        follows = (
            before is not None
            and (before.chain or _is_block(before))
            and _is_block(line)
            and line.inputs == before.outputs
            and len(line.inputs) == len(line.outputs) == 1
            and uses[line.inputs[0].number] == 1
        )
        if not follows or before is None:
            lines.append(line)
        elif before.chain:
            lines[-1] = replace(before, outputs=line.outputs, chain=(*before.chain, line))
        elif len(before.inputs) == 1:
            lines[-1] = replace(before, outputs=line.outputs, program=None, chain=(before, line))
        else:
            lines.append(line)
    used_names = [line.name for line in lines if not line.chain]
    for number, line in enumerate(lines):
        if line.chain:
            shared = _shared([each.name for each in line.chain if each.is_named])
            name = distinct(attribute(shared.rstrip("_")) if shared else "blocks", used_names)
            used_names.append(name)
            lines[number] = replace(line, name=name)
    program.lines = lines


def _shared(names: Sequence[str]) -> str:
    """Returns what names have in common: one of them if all others are parts of it."""
    whole = min(names, key=len, default="")
    is_whole = whole and all(name == whole or name.startswith(f"{whole}_") for name in names)
    return whole if is_whole else common_prefix(names)


def _is_block(line: Line) -> bool:
    return line.program is not None and not line.program.is_model
