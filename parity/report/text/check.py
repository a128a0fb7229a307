"""The report of a check as text: the ladder, all divergences with their fixes, and what is open."""

from __future__ import annotations

from parity.ladder.result import ERROR, Result
from parity.report.lines import Line, plain
from parity.report.text.found import found_lines, open_lines, setting_lines
from parity.report.text.result import error_lines, head_line, level_lines, sentence_lines


def check_lines(result: Result) -> list[Line]:
    """Returns the report of one check, line by line."""
    lines = [head_line(result)]
    lines += level_lines(result) if result.verdict != ERROR else error_lines(result)
    lines += found_lines(result) + setting_lines(result) + open_lines(result)
    lines += _time_lines(result) + sentence_lines(result)
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
