"""Blocks: parts of a model that repeat, each as a class with the numbers that differ as arguments.

Lines repeat if they do the same with tensors that come from the same places. A repeated part has
few tensors in and out; of several ways to cut, the one that leaves the fewest lines is taken, and
names that Keras has in common ("conv2_block1_") say where a part begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from parity.ports.alike_models import share_classes
from parity.ports.block_class import block_of, family
from parity.ports.names import attribute, block_name, common_prefix, distinct
from parity.ports.program import Line, Program, all_of, first_draw, values_in
from parity.ports.windows import Window, best_windows, prefixes_of


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
    taken = [line.name for line in program.lines]
    inside = {id(line) for part in parts for line in part}
    beside = [line.name for line in program.lines if id(line) not in inside]
    at = 0
    for number, (window, part) in enumerate(zip(windows, parts, strict=True)):
        lines += program.lines[at : window.start]
        told = ", ".join(f"{{{n}}}" for n in range(len(window.inputs)))
        own = prefixes[number].rstrip("_")
        if own in beside:  # another part of the same block of Keras's is a block already
            own = distinct(next(line.name for line in part if line.is_module), beside)
        given = {name: vector[number] for name, vector in vectors.items()}
        lines.append(
            Line(
                own or distinct(family(parts[0]), taken),
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
    taken = [line.name for line in lines if not line.chain]
    for number, line in enumerate(lines):
        if line.chain:
            shared = _shared([each.name for each in line.chain if each.is_named])
            name = distinct(attribute(shared.rstrip("_")) if shared else "blocks", taken)
            taken.append(name)
            lines[number] = replace(line, name=name)
    program.lines = lines


def _shared(names: Sequence[str]) -> str:
    """Returns what names have in common: one of them if all others are parts of it."""
    whole = min(names, key=len, default="")
    is_whole = whole and all(name == whole or name.startswith(f"{whole}_") for name in names)
    return whole if is_whole else common_prefix(names)


def _is_block(line: Line) -> bool:
    return line.program is not None and not line.program.is_model
