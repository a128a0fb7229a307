"""The report of a run as text: of a scenario, or of a program of the user's."""

from __future__ import annotations

from parity.ladder.result import ERROR, Result
from parity.report.lines import Line, plain
from parity.report.sentences import is_check
from parity.report.text.found import found_lines, open_lines, setting_lines
from parity.report.text.result import (
    curve_lines,
    error_lines,
    head_line,
    level_lines,
    result_lines,
    sentence_lines,
    training_lines,
)


def lines_of(result: Result) -> list[Line]:
    """Returns the report of one run, line by line."""
    return program_lines(result) if is_check(result) else result_lines(result)


def program_lines(result: Result) -> list[Line]:
    """Returns the report of one program: ladder, divergences, curves, and what is open."""
    lines = [head_line(result)]
    lines += level_lines(result) if result.verdict != ERROR else error_lines(result)
    lines += found_lines(result) + setting_lines(result) + open_lines(result)
    lines += curve_lines(result) + training_lines(result) + sentence_lines(result)
    return [*[[(plain(text), style) for text, style in line] for line in lines], []]
