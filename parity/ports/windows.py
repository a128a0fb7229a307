"""Windows: the parts of a program that do the same, and which of them are worth a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.ports.alike import Wires, differing, signs_of
from parity.ports.names import common_prefix
from parity.ports.program import Line, Program, Value, values_in

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
