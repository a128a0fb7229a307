"""The result as text: a ladder of at most 80 columns, on a terminal and in a pipe.

`result_lines` builds lines of (text, style) pairs. Only `print_result` prints, with colours if the
stream is a terminal and NO_COLOR is not set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TextIO

from parity.ladder.items import FAIL, NOT_REACHED, PASS, SKIPPED, Item, Level
from parity.ladder.result import ERROR, INCOMPLETE, Result
from parity.report import sentences
from parity.report.advice import advice_of
from parity.report.lines import WIDTH, Line, labelled, plain, shortened, shown, wrapped
from parity.report.text.found import found_lines, open_lines, setting_lines
from parity.report.text.sparkline import sparkline_rows
from parity.report.text.terminal import print_lines
from parity.report.training import training_texts

STYLES = {
    PASS: "bold green",
    FAIL: "bold red",
    ERROR: "bold red",
    INCOMPLETE: "bold yellow",
    SKIPPED: "yellow",
    NOT_REACHED: "dim",
}
_WORDS = {PASS: "pass", FAIL: "FAIL", ERROR: "ERROR", SKIPPED: "skipped", NOT_REACHED: "-"}


def result_lines(result: Result) -> list[Line]:
    """Returns the report of one run, line by line; only lines of a log exceed 80 columns."""
    return [[(plain(text), style) for text, style in line] for line in _lines(result)]


def _lines(result: Result) -> list[Line]:
    lines = [head_line(result)]
    if result.verdict == ERROR:
        return [*lines, *error_lines(result), []]
    lines += level_lines(result)
    if result.divergences:
        lines += found_lines(result)
    elif (first := result.first_divergence) is not None:  # of an earlier version
        lines += divergence_lines(*first)
    lines += advice_lines(result) + setting_lines(result) + open_lines(result)
    lines += curve_lines(result)
    lines += training_lines(result)
    lines += sentence_lines(result)
    return [*lines, []]


def head_line(result: Result) -> Line:
    """Returns the subject, the settings that its numbers depend on, and the verdict."""
    is_open = sentences.is_unfinished(result)
    verdict = "NOT FINISHED" if is_open else result.verdict.upper()
    told = f"  {'  '.join(sentences.settings(result))}  "
    name = shortened(plain(sentences.subject(result)), WIDTH - len(told) - len(verdict))
    return [(name, "bold"), (told, ""), (verdict, _style(result))]


def error_lines(result: Result) -> list[Line]:
    """Returns why there is no result, with unchanged lines from the end of a log."""
    return [[("  " + row, "")] for error in result.errors for row in error.splitlines()]


def without_repeats(result: Result, told: dict[str, str]) -> Result:
    """Returns a result in which an error of an earlier one is told in a few words.

    Args:
        result: the next one of several.
        told: first line of an error without its name -> the name; those of the result are added.
    """
    errors = []
    for error in result.errors:
        name, _, reason = error.partition("\n")[0].partition(": ")
        first = told.setdefault(reason, name)
        errors.append(error if first == name else f"{name}: the same as {first}")
    return replace(result, errors=tuple(errors))


def training_lines(result: Result) -> list[Line]:
    """Returns how a whole training was judged."""
    return [[(row, "")] for told in training_texts(result) for row in wrapped(told, "  ")]


def sentence_lines(result: Result, num_lacking: int = 0) -> list[Line]:
    """Returns the meaning of the verdict, in its colour."""
    told = sentences.capital(sentences.sentence(result, num_lacking))
    return [[(row, _style(result))] for row in wrapped(told, "  ")]


def _style(result: Result) -> str:
    """Returns the style of a verdict; a port that is not finished is no error."""
    return STYLES[INCOMPLETE if sentences.is_unfinished(result) else result.verdict]


def level_lines(result: Result) -> list[Line]:
    """Returns the ladder: a head, and a line for each level."""
    head: Line = [(f"  {'level':<11}{'':<9}{'differs':>9}  {'allowed':>9}  where", "dim")]
    return [
        head,
        *[_level_line(result, level) for level in result.levels],
    ]


def _level_line(result: Result, level: Level) -> Line:
    special = sentences.special_status(result, level)
    status = (f"{_WORDS[level.status]:<9}", STYLES[level.status])
    if special:
        status = (f"{special:<9}", "red" if level.status == FAIL else "yellow")
    elif not level.applies:
        status = (f"{'-':<9}", "dim")
    if level.worst is None:
        why = sentences.without_numbers(level)
        told: Line = [(shortened(why, WIDTH - 2 - 11 - 9), "dim")] if why else []
        return [(f"  {level.id:<11}", ""), status, *told]
    differs, allowed = sentences.level_numbers(result, level)
    numbers = f"{differs:>9}  {allowed:>9}  "
    item = sentences.level_place(result, level)
    where = sentences.compared_text(level)
    if item is not None:
        where = _place(item, WIDTH - 2 - 11 - 9 - len(numbers))
    return [(f"  {level.id:<11}", ""), status, (numbers + where, "")]


def divergence_lines(level: Level, item: Item) -> list[Line]:
    """Returns the first divergence: its place, both values, and the limit."""
    head = "  first divergence  "
    place = sentences.moment(item) + sentences.index_text(item)
    where = f"{level.id}: "
    where += shortened(plain(item.name), WIDTH - len(head + where))
    if len(head + where + place) <= WIDTH:
        where, place = where + place, ""
    return [
        [(head, "bold red"), (where, "")],
        *[[(row, "")] for row in wrapped(place.strip())],
        [(f"    keras {shown(item.keras)}", "")],
        [(f"    torch {shown(item.torch)}", "")],
        *[[(row, "")] for row in wrapped(sentences.difference(item))],
        *[[(row, "dim")] for row in wrapped(level.tolerance_source)],
    ]


def advice_lines(result: Result) -> list[Line]:
    """Returns the usual reason for a difference of a run at this level, and what to do."""
    if (advice := advice_of(result)) is None:
        return []
    return [*labelled("often", advice.title), *labelled("next", advice.action, "bold")]


def curve_lines(result: Result) -> list[Line]:
    """Returns the curves of both halves, and the end of each, one row each, aligned."""
    curves: list[Line] = [[(row, "")] for row in sparkline_rows(result.history)]
    return curves + [
        [(f"  {half:<11}{'  '.join(sentences.training_texts(result, half))}", "dim")]
        for half in ("keras", "torch")
        if half in result.history
    ]


def _place(item: Item, width: int) -> str:
    """Returns name and moment of an item; shortens a long name in the middle."""
    told = sentences.moment(item)
    return shortened(plain(sentences.item_name(item)), width - len(told)) + told


def print_result(result: Result, stream: TextIO | None = None) -> None:
    """Prints the report of one run."""
    print_lines(result_lines(result), stream)
