"""The report of a check as text: the ladder, the first divergence, its cause and the fix."""

from __future__ import annotations

from parity.ladder.items import SKIPPED
from parity.ladder.result import ERROR, Result
from parity.report.lines import Line, plain, wrapped
from parity.report.sentences import UNKNOWN
from parity.report.text.result import (
    cause_lines,
    divergence_lines,
    error_lines,
    head_line,
    level_lines,
    place_lines,
    sentence_line,
    setting_lines,
)


def check_lines(result: Result) -> list[Line]:
    """Returns the report of one check, line by line."""
    lines = [head_line(result)]
    lines += level_lines(result.levels) if result.verdict != ERROR else error_lines(result)
    if (first := result.first_divergence) is not None:
        lines += divergence_lines(*first)
        lines += place_lines(result)
        lines += cause_lines(result) or [[(row, "dim")] for row in wrapped(UNKNOWN)]
        lines += setting_lines(result)
    lines += _skipped_lines(result)
    lines += _time_lines(result)
    lines.append(sentence_line(result))
    return [*[[(plain(text), style) for text, style in line] for line in lines], []]


def _time_lines(result: Result) -> list[Line]:
    """Returns the time of each half; for a bundle, the time of its recording is left out."""
    lines: list[Line] = []
    for half in ("keras", "torch"):
        wall_s = result.environment.get(half, {}).get("wall_s")
        told = wall_s if isinstance(wall_s, dict) else {}
        check_s, import_s = told.get("check"), told.get("import")
        # A bundle may say anything here.
        if isinstance(check_s, float) and isinstance(import_s, float):
            text = f"  {half:<6} {check_s:.1f} s, and {import_s:.1f} s of imports"
            lines.append([(text, "dim")])
    return lines


def _skipped_lines(result: Result) -> list[Line]:
    """Returns why levels were not compared: nothing is assumed about them."""
    return [
        [(row, "dim")]
        for level in result.levels
        if level.status == SKIPPED and level.tolerance_source != "not asked for"
        for row in wrapped(f"{level.id} not compared: {level.tolerance_source}", "  ")
    ]
