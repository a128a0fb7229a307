"""The result as text: a ladder that reads at a glance at 80 columns, on a terminal and in a pipe.

`result_lines` builds lines of (text, style) pairs; `print_result` is the only place that prints,
with colours where the stream is a terminal and NO_COLOR is not set.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

from parity.result import ERROR, FAIL, NOT_REACHED, PASS, SKIPPED, Item, Level, Result

Line = list[tuple[str, str]]  # (text, style of rich)

WIDTH = 80

STYLES = {
    PASS: "bold green",
    FAIL: "bold red",
    ERROR: "bold red",
    SKIPPED: "yellow",
    NOT_REACHED: "dim",
}
_WORDS = {PASS: "pass", FAIL: "FAIL", ERROR: "ERROR", SKIPPED: "skipped", NOT_REACHED: "-"}


def result_lines(result: Result) -> list[Line]:
    """Returns the report of one run, line by line; only a log's own lines exceed 80 columns."""
    return [[(plain(text), style) for text, style in line] for line in _lines(result)]


def _lines(result: Result) -> list[Line]:
    spec = result.spec
    verdict = _WORDS[result.verdict].upper()
    settings = (
        f"  seed {spec['seed']}  {spec['dtype']}  {_count(spec['epochs'], 'epoch')}  "
        f"batch {spec['batch_size']}  {result.mode}  "
    )
    name = shortened(plain(spec["scenario"]), WIDTH - len(settings) - len(verdict))
    lines: list[Line] = [
        [(name, "bold"), (settings, ""), (verdict, STYLES[result.verdict])],
    ]
    if result.verdict == ERROR:
        for error in result.errors:
            lines += [[("  " + row, "")] for row in error.splitlines()]
        return [*lines, []]
    lines += level_lines(result.levels)
    if (first := result.first_divergence) is not None:
        lines += divergence_lines(*first)
    lines += _training_lines(result)
    lines.append([(f"  {_sentence(result)}", STYLES[result.verdict])])
    return [*lines, []]


def level_lines(levels: Sequence[Level]) -> list[Line]:
    """Returns the ladder: a head, and a line for each level."""
    head: Line = [(f"  {'level':<11}{'':<9}{'worst':>9}  {'allowed':>9}  where", "dim")]
    return [head, *[_level_line(level) for level in levels]]


def _level_line(level: Level) -> Line:
    status = (f"{_WORDS[level.status]:<9}", STYLES[level.status])
    worst = level.worst
    if worst is None:
        return [(f"  {level.id:<11}", ""), status]
    compared = sum(item.num_compared for item in level.items)
    if all(item.unit == "count" for item in level.items):
        differing = sum(item.worst for item in level.items)
        numbers = f"{_number(differing)}  {_number(0.0)}  "
        where = f"of {compared:,} values, bit for bit"
    else:
        numbers = f"{_number(worst.worst)}  {_number(worst.allowed)}  "
        # Where nothing differs, no place is worse than another.
        where = f"of {compared:,} values"
        if worst.worst:
            where = _place(worst, WIDTH - 2 - 11 - 9 - len(numbers))
    return [(f"  {level.id:<11}", ""), status, (numbers + where, "")]


def divergence_lines(level: Level, item: Item) -> list[Line]:
    """Returns the first divergence: what and where, both values, what was allowed."""
    head = "  first divergence  "
    place = _moment(item) + (f" at {list(item.index)}" if item.index else "")
    where = f"{level.id}: "
    where += shortened(plain(item.name), WIDTH - len(head + where))
    if len(head + where + place) <= WIDTH:
        where, place = where + place, ""
    difference = (
        f"differs by {_number(item.worst).strip()} ({item.unit}), "
        f"allowed {_number(item.allowed).strip()}" + (f"; {item.note}" if item.note else "")
    )
    return [
        [(head, "bold red"), (where, "")],
        *[[(row, "")] for row in wrapped(place.strip())],
        [(f"    keras {_shown(item.keras)}", "")],
        [(f"    torch {_shown(item.torch)}", "")],
        *[[(row, "")] for row in wrapped(difference)],
        *[[(row, "dim")] for row in wrapped(level.origin)],
    ]


def _training_lines(result: Result) -> list[Line]:
    """How each half ended: a row each, so that equal numbers stand below each other."""
    rows: list[Line] = []
    for half in ("keras", "torch"):
        history = result.history[half]
        cuts = len(set(history["learning_rate"])) - 1
        rows.append(
            [
                (
                    f"  {half:<11}val_accuracy {history['val_accuracy'][-1]:.4f}  "
                    f"{result.behaviour[half]['verdict']}  {result.wall_s[half]:.1f} s"
                    + (f"  {_count(cuts, 'rate cut')}" if cuts else ""),
                    "dim",
                )
            ]
        )
    return rows


def _sentence(result: Result) -> str:
    if result.verdict == FAIL:
        return "the two runs are not the same run"
    if result.spec["dtype"] == "float64":
        return "the two runs are the same run"
    return "the two runs are the same run, as far as float32 can tell"


def _place(item: Item, width: int) -> str:
    """Name and moment of an item; a name that is too long loses its middle."""
    moment = _moment(item)
    return shortened(plain(item.name), width - len(moment)) + moment


def shortened(text: str, width: int) -> str:
    """A text that is wider loses its middle; at least 8 characters stay."""
    if len(text) <= max(width, 8):
        return text
    kept = max(width, 8) - 3
    return text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]


def wrapped(text: str, indent: str = "    ", *, max_lines: int | None = None) -> list[str]:
    """Breaks a text into rows of at most WIDTH columns, each indented."""
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        max_lines=max_lines,
        placeholder=" ...",
    )


def plain(text: str) -> str:
    """What a terminal would obey (escape codes, line breaks) becomes visible text."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def _moment(item: Item) -> str:
    parts = []
    if item.epoch is not None:
        parts.append(f"epoch {item.epoch}")
    if item.step is not None:
        parts.append(f"step {item.step}")
    return f" ({', '.join(parts)})" if parts else ""


def _number(value: float) -> str:
    is_whole = float(value).is_integer() and abs(value) < 1e6
    return f"{value:9.0f}" if is_whole else f"{value:9.1e}"


def _shown(value: Any) -> str:
    text = plain(repr(value) if isinstance(value, float) else str(value))
    return text if len(text) <= 70 else text[:67] + "..."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_lines(lines: list[Line], stream: TextIO | None = None) -> None:
    """Prints lines, with colours on a terminal."""
    stream = stream or sys.stdout
    if not stream.isatty():
        for line in lines:
            stream.write("".join(text for text, _ in line).rstrip() + "\n")
        stream.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in lines:
        console.print(Text.assemble(*line))


def print_result(result: Result, stream: TextIO | None = None) -> None:
    """Prints the report of one run."""
    print_lines(result_lines(result), stream)
