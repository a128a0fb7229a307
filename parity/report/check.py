"""The report of a check as text: the ladder, the first divergence, its cause and the fix."""

from __future__ import annotations

from typing import Any

from parity.report.terminal import (
    STYLES,
    WIDTH,
    Line,
    divergence_lines,
    level_lines,
    plain,
    shortened,
    wrapped,
)
from parity.result import FAIL, SKIPPED, Result

MAX_CAUSES = 3


def check_lines(result: Result) -> list[Line]:
    """Returns the report of one check, line by line."""
    verdict = result.verdict.upper()
    tail = f"  seed {result.spec['seed']}  float64  {result.mode}  "
    name = shortened(plain(str(result.spec["torch"])), WIDTH - len(tail) - len(verdict))
    lines: list[Line] = [[(name, "bold"), (tail, ""), (verdict, STYLES[result.verdict])]]
    lines += level_lines(result.levels)
    if (first := result.first_divergence) is not None:
        lines += divergence_lines(*first)
        lines += _place_lines(result)
        lines += _cause_lines(result)
        lines += _setting_lines(result)
    lines += _skipped_lines(result)
    lines += _time_lines(result)
    told = "the port computes something else" if result.verdict == FAIL else "the port is right"
    lines.append([(f"  {told}", STYLES[result.verdict])])
    return [*[[(plain(text), style) for text, style in line] for line in lines], []]


def _place_lines(result: Result) -> list[Line]:
    """The pair of layers, and whether the error is its own or came with its input."""
    place = result.place or {}
    if not place.get("keras") or not place.get("torch"):
        return []
    own = {True: "introduced here", False: "inherited from what comes before"}
    text = f"{place['keras']} in Keras, {place['torch']} in the port"
    text += f" ({place['where']})" if place["where"] else ""
    if place["introduced"] in own:
        text += f": {own[place['introduced']]}"
    return [[(row, "")] for row in wrapped(text)]


def _cause_lines(result: Result) -> list[Line]:
    lines: list[Line] = []
    surest = max((cause["confidence"] for cause in result.causes), default=0.0)
    # Beside a cause that is known by its numbers, what only the place speaks for is no help.
    likely = [cause for cause in result.causes if cause["confidence"] >= surest / 2]
    for cause in likely[:MAX_CAUSES]:
        head = f"  {'cause' if not lines else 'or'} {cause['id']}  "
        sure = f"  ({round(100 * cause['confidence'])} %)"
        lines.append(
            [(head, "bold red"), (shortened(cause["title"], WIDTH - len(head + sure)) + sure, "")]
        )
        rows: list[tuple[str, Any]] = [("keras", cause["keras"]), ("torch", cause["torch"])]
        if cause["detail"]:
            rows.append(("seen", cause["detail"]))
        rows.append(("fix", cause["fix"]))
        for label, text in rows:
            first, *rest = wrapped(str(text), " " * 10) or [""]
            lines.append([(f"    {label:<6}{first.strip()}", "")])
            lines += [[(row, "")] for row in rest]
    if not lines:
        text = "no known divergence has these numbers; `parity list divergences` lists them"
        lines = [[(row, "dim")] for row in wrapped(text)]
    else:
        lines.append([(f"    parity explain {result.causes[0]['id']}", "dim")])
    return lines


def _setting_lines(result: Result) -> list[Line]:
    """Settings that differ, behind the first divergence too."""
    lines: list[Line] = []
    for row in result.settings:
        (keras, torch), *more = row["layers"]
        text = f"{row['id']}  {row['name']}: {row['keras']} in {keras}, {row['torch']} in {torch}"
        if more:
            text += f", and so in {len(more)} more"
        lines += [[(line, "")] for line in wrapped(text)]
    return [[("  settings that differ", "dim")], *lines] if lines else []


def _time_lines(result: Result) -> list[Line]:
    """How long each half took; what a bundle has recorded took its time before."""
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
    """Why a level was not compared: nothing is assumed about it."""
    return [
        [(row, "dim")]
        for level in result.levels
        if level.status == SKIPPED and level.origin != "not asked for"
        for row in wrapped(f"{level.id} not compared: {level.origin}", "  ")
    ]
