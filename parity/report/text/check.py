"""Checks as text: ladder, divergences with their fixes, what is open; several in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from parity.ladder.items import FAIL
from parity.ladder.result import ERROR, INCOMPLETE, Result
from parity.report import sentences
from parity.report.lines import WIDTH, Line, plain, shortened
from parity.report.text.found import found_lines, open_lines, setting_lines
from parity.report.text.result import STYLES, error_lines, head_line, level_lines, sentence_lines

MAX_NAME = 24  # characters of a program's name in a table


def check_lines(result: Result, num_lacking: int = 0) -> list[Line]:
    """Returns the report of one check, line by line.

    Args:
        result: of the check.
        num_lacking: number of parts of the Keras program that the port is known to lack.
    """
    lines = [head_line(result)]
    lines += level_lines(result) if result.verdict != ERROR else error_lines(result)
    lines += found_lines(result) + setting_lines(result) + open_lines(result)
    lines += _time_lines(result) + sentence_lines(result, num_lacking)
    return [*[[(plain(text), style) for text, style in line] for line in lines], []]


def table_lines(results: Mapping[str, Result]) -> list[Line]:
    """Returns a row for each of several programs, and a line with the number of each verdict.

    Args:
        results: of checks, by the name of the program.
    """
    names = {name: shortened(plain(name), MAX_NAME) for name in results}
    width = max(map(len, [*names.values(), "program"]))
    lines: list[Line] = [[(f"  {'program':<{width}}  verdict", "dim")]]
    for name, result in results.items():
        verdict = f"{result.verdict:<10}"
        start = f"  {names[name]:<{width}}  "
        told, room = plain(_told(result)), WIDTH - len(start + verdict) - 1
        told = told if len(told) <= room else f"{told[: room - 3]}..."
        lines.append([(start, ""), (verdict, STYLES[result.verdict]), (f" {told}", "")])
    counts = Counter(result.verdict for result in results.values())
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return [*lines, [(f"  {told} of {sentences.count(len(results), 'program')}", "bold")], []]


def _told(result: Result) -> str:
    """Returns the cause of a check that fails, the error of one that is none, else the coverage."""
    if result.verdict == ERROR:
        return next((line for error in result.errors for line in error.splitlines()), "")
    if result.verdict == FAIL and (found := sentences.found_texts(result)):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return found[0] + more
    if result.verdict == INCOMPLETE:
        return "; ".join(f"{entry['what']}: {entry['why']}" for entry in result.incomplete)
    return sentences.sentence(result)


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
