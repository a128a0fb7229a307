"""Blocks: parts of a model that repeat, each as a class with the numbers that differ as arguments.

Lines repeat if they do the same with tensors that come from the same places. A repeated part has
few tensors in and out; of several ways to cut, the one that leaves the fewest lines is taken, and
names that Keras has in common ("conv2_block1_") say where a part begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.source.form import Parameter, defaults_of, order_of
from torch_impl.source.names import attribute, block_name, common_prefix, distinct
from torch_impl.source.program import Line, Program, Value, all_of, first_draw, values_in

_LONGEST = 40  # lines of a block
_MOST_ENDS = 2  # tensors that go into a block, and that come out
_GAIN = 5  # lines that a class must save
_COST = 5  # lines that a class has beside those of its body


def fold(program: Program) -> None:
    """Replaces repeated parts of a program by calls of blocks, until none is worth a class.

    So it does in each model that is a layer of it, such as the base of a transfer.
    """
    for each in all_of(program):
        while (best := _best(each)) is not None:
            _replace(each, best)
        _chain(each)


@dataclass(frozen=True)
class _Window:
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


def _best(program: Program) -> list[_Window] | None:
    """Returns the equal windows whose calls save the most lines; None if none is worth it."""
    best: list[_Window] | None = None
    most = float(_GAIN)
    for windows in _groups(program):
        apart: list[_Window] = []
        for window in windows:
            if not apart or window.start >= apart[-1].stop:
                apart.append(window)
        if len(apart) < 2:
            continue
        gain = _gain(program, apart)
        if gain > most:
            best, most = apart, gain
    return best


def _gain(program: Program, windows: Sequence[_Window]) -> float:
    length = windows[0].stop - windows[0].start
    parts = [program.lines[window.start : window.stop] for window in windows]
    num_arguments = len({vector for _, _, vector in _differing(parts)})
    # A module has a line in `__init__`, too.
    size = sum(2 if line.made is not None else 1 for line in parts[0])
    gain = (len(windows) - 1) * (size - 2) - _COST - num_arguments * len(windows) * 0.4
    prefixes = [common_prefix([line.name for line in part if line.name]) for part in parts]
    if all(prefixes) and len(set(prefixes)) == len(prefixes):
        whole = all(_is_whole(program, w, p) for w, p in zip(windows, prefixes, strict=True))
        gain *= 1.5 if whole else 1.1
    elif any(_cuts(program, window) for window in windows):
        gain *= 0.5
    extra = len(windows[0].inputs) + len(windows[0].outputs) - 2
    return gain - extra * length * len(windows) * 0.3


def _is_whole(program: Program, window: _Window, prefix: str) -> bool:
    """Whether no line beside a window has the prefix of its names."""
    beside = program.lines[max(window.start - 1, 0) : window.start]
    beside = [*beside, *program.lines[window.stop : window.stop + 1]]
    return not any(line.name.startswith(prefix) for line in beside)


def _cuts(program: Program, window: _Window) -> bool:
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


def _groups(program: Program) -> Iterator[list[_Window]]:
    """Yields the windows that do the same, for each length."""
    lines = program.lines
    signs = _signs(lines)
    places = {v.number: (n, k) for n, line in enumerate(lines) for k, v in enumerate(line.outputs)}
    last: dict[int, int] = {}
    for number, line in enumerate(lines):
        last |= {value.number: number for value in line.inputs}
    last |= {value.number: len(lines) for value in values_in(program.outputs)}
    open_windows = {start: _Open(start) for start in range(len(lines)) if signs[start] is not None}
    for length in range(1, min(_LONGEST, len(lines) // 2) + 1):
        found: dict[Any, list[_Window]] = {}
        for start in list(open_windows):
            stop = start + length
            if stop > len(lines) or signs[stop - 1] is None:
                del open_windows[start]
                continue
            window = open_windows[start]
            window.add(signs[stop - 1], lines[stop - 1], places)
            outputs = tuple(
                value
                for line in lines[start:stop]
                for value in line.outputs
                if last.get(value.number, -1) >= stop
            )
            if length > 1 and len(window.inputs) <= _MOST_ENDS and 0 < len(outputs) <= _MOST_ENDS:
                ends = tuple((places[v.number][0] - start, places[v.number][1]) for v in outputs)
                made = _Window(start, stop, tuple(window.inputs), outputs)
                found.setdefault((window.sign, ends), []).append(made)
        yield from (windows for windows in found.values() if len(windows) > 1)


class _Open:
    """A window that grows line by line."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.sign: tuple[Any, ...] = ()
        self.inputs: list[Value] = []

    def add(self, sign: Any, line: Line, places: dict[int, tuple[int, int]]) -> None:
        given: list[Any] = []
        for value in line.inputs:
            number, index = places.get(value.number, (-1, 0))
            if number >= self.start:
                given.append((number - self.start, index))
            else:
                if value not in self.inputs:
                    self.inputs.append(value)
                given.append(("in", self.inputs.index(value), value.layout, len(value.shape)))
        self.sign = (*self.sign, hash((sign, tuple(given))))


def _signs(lines: Sequence[Line]) -> list[Any]:
    """Returns what two lines must have in common; None for a line that stays where it is."""
    names = [line.name for line in lines if line.made is not None or line.program is not None]
    found: list[Any] = []
    for line in lines:
        if line.program is not None or names.count(line.name) > 1:
            found.append(None)
        else:
            made = None
            if line.made is not None:
                inner = tuple(repr(v) for v in line.made.arguments if isinstance(v, Planned))
                made = (line.made.kind, len(line.made.arguments), inner, *_odd(line.made))
            found.append((line.text, made, line.note, len(line.outputs)))
    return found


def _odd(made: Planned) -> tuple[str, ...]:
    """Returns the names of settings without a default, which both must have."""
    defaults = defaults_of(made)
    return tuple(sorted(name for name in made.settings if name not in defaults))


Slot = int | str


def _slots(made: Planned, names: Sequence[str]) -> dict[Slot, Any]:
    """Returns the arguments of a module by place or name, with the defaults of these names."""
    defaults = defaults_of(made)
    found: dict[Slot, Any] = dict(enumerate(made.arguments))
    return found | {name: made.settings.get(name, defaults.get(name)) for name in names}


def _differing(parts: Sequence[Sequence[Line]]) -> list[tuple[int, Slot, tuple[Any, ...]]]:
    """Returns (number of the line, argument, its value in each part) of what differs."""
    found: list[tuple[int, Slot, tuple[Any, ...]]] = []
    for number, lines in enumerate(zip(*parts, strict=True)):
        made = [line.made for line in lines if line.made is not None]
        if not made:
            continue
        names = sorted({name for each in made for name in each.settings})
        slots = [_slots(each, names) for each in made]
        for slot in slots[0]:
            vector = tuple(each[slot] for each in slots)
            if any(value != vector[0] for value in vector):
                found.append((number, slot, vector))
    return found


def _replace(program: Program, windows: Sequence[_Window]) -> None:
    parts = [program.lines[window.start : window.stop] for window in windows]
    prefixes = [common_prefix([line.name for line in part if line.name]) for part in parts]
    if not all(prefixes) or len(set(prefixes)) < len(prefixes):
        prefixes = [""] * len(parts)
    kinds = [line.made.kind for line in parts[0] if line.made is not None]
    block, vectors = _block(parts, windows[0], prefixes[0])
    block.name = block_name(prefixes, _family(kinds))
    block.taken = {
        name: tuple(dict.fromkeys(window.inputs[place].written_shape for window in windows))
        for place, name in enumerate(block.inputs)
    }
    lines: list[Line] = []
    taken = [line.name for line in program.lines]
    at = 0
    for number, (window, part) in enumerate(zip(windows, parts, strict=True)):
        lines += program.lines[at : window.start]
        told = ", ".join(f"{{{n}}}" for n in range(len(window.inputs)))
        own = prefixes[number].rstrip("_")
        given = {name: vector[number] for name, vector in vectors.items()}
        lines.append(
            Line(
                own or distinct(_family(kinds), taken),
                f"{{self}}({told})",
                window.inputs,
                window.outputs,
                program=block,
                given=given,
                members=tuple(part),
                is_named=bool(own),
                drawn=first_draw(part),
            )
        )
        taken.append(lines[-1].name)
        at = window.stop
    program.lines = [*lines, *program.lines[at:]]


def _block(
    parts: Sequence[Sequence[Line]], window: _Window, prefix: str
) -> tuple[Program, dict[str, tuple[Any, ...]]]:
    """Returns the block, and the values of its parameters in each part."""
    vectors: dict[str, tuple[Any, ...]] = {}
    names: dict[tuple[int, Slot], str] = {}
    for number, slot, vector in _differing(parts):
        line = parts[0][number]
        assert line.made is not None
        known = next((name for name, other in vectors.items() if other == vector), None)
        if known is None:
            short = _slot_name(line.made, slot)
            known = short if short not in vectors else f"{_own(line.name, prefix)}_{short}"
            while known in vectors:
                known += "_"
            vectors[known] = vector
        names[number, slot] = known
    lines = []
    for number, line in enumerate(parts[0]):
        made = line.made
        if made is not None:
            settings = sorted({k for part in parts for k in part[number].made.settings})  # type: ignore[union-attr]
            order = [*made.settings, *(name for name in settings if name not in made.settings)]
            slots = _slots(made, order)
            slots |= {slot: Parameter(name) for (at, slot), name in names.items() if at == number}
            arguments = [slots[place] for place in range(len(made.arguments))]
            made = Planned(made.kind, *arguments, **{name: slots[name] for name in order})
        name = _own(line.name, prefix) if line.name else ""
        lines.append(replace(line, name=name, made=made))
    lines = _told_apart(lines)
    block = Program("block", lines=lines)
    block.inputs = {value.name or "x": value for value in window.inputs}
    if len(block.inputs) < len(window.inputs):
        block.inputs = {f"x{n}": value for n, value in enumerate(window.inputs)}
    block.outputs = window.outputs[0] if len(window.outputs) == 1 else list(window.outputs)
    block.parameters = {name: vector[0] for name, vector in vectors.items()}
    block.has_shapes = len({tuple(v.shape for line in p for v in line.outputs) for p in parts}) == 1
    block.repeats = len(parts)
    return block, vectors


def _own(name: str, prefix: str) -> str:
    """Returns the name of a layer within its block: without the prefix, or Keras's count."""
    if prefix:
        return attribute(name.removeprefix(prefix))
    return attribute(re.sub(r"_\d+$", "", name))


def _told_apart(lines: Sequence[Line]) -> list[Line]:
    """Returns lines whose modules have names of their own."""
    seen: dict[str, int] = {}
    found = []
    for line in lines:
        if line.made is not None:
            seen[line.name] = seen.get(line.name, 0) + 1
            if seen[line.name] > 1:
                line = replace(line, name=f"{line.name}{seen[line.name]}")
        found.append(line)
    return found


def _slot_name(made: Planned, slot: Slot) -> str:
    if isinstance(slot, str):
        return slot
    return list(order_of(made))[slot]


def _family(kinds: Sequence[Any]) -> str:
    if any("Attention" in kind.__name__ for kind in kinds):
        return "transformer_block"
    if any("Conv" in kind.__name__ for kind in kinds):
        return "conv_block"
    recurrent = (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.Bidirectional)
    return "recurrent_block" if any(kind in recurrent for kind in kinds) else "block"


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
            and before.members
            and line.members
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
    taken = [line.name for line in lines if not line.chain]
    for number, line in enumerate(lines):
        if line.chain:
            shared = common_prefix([each.name for each in line.chain if each.is_named])
            name = distinct(attribute(shared.rstrip("_")) if shared else "blocks", taken)
            taken.append(name)
            lines[number] = replace(line, name=name)
    program.lines = lines
