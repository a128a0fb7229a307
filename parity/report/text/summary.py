"""Many results in one table: a row per run, with its verdict and its greatest differences.

The row of a failed run shows its first divergence.
"""

from __future__ import annotations

from collections.abc import Sequence

from parity.ladder.comparers.decisions import ENDS_WITH
from parity.ladder.items import PASS, ROUNDINGS, Item
from parity.ladder.result import ERROR, Result
from parity.report.lines import WIDTH, Line, plain, shortened
from parity.report.sentences import extent, item_place, subject
from parity.report.training import items_of


def summary_lines(results: Sequence[Result]) -> list[Line]:
    """Returns the table with its heading, and a line with the number of each verdict."""
    heading = (
        f"  {'scenario':<24}{'seed':>10}  {'verdict':<8}{'worst weight':>13}{'worst loss':>12}"
        f"{'cuts':>6}"
    )
    lines: list[Line] = [[(heading, "dim")]]
    for result in results:
        style = "green" if result.verdict == PASS else "bold red"
        name = shortened(plain(subject(result)), 23)
        start = f"  {name:<24}{result.spec['seed']:>10}  "
        verdict = f"{result.verdict:<8}"
        told = _told(result, WIDTH - len(start + verdict))
        lines.append([(start, ""), (verdict, style), (told, "")])
    counts = {
        verdict: sum(result.verdict == verdict for result in results)
        for verdict in dict.fromkeys(result.verdict for result in results)
    }
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return [*lines, [(f"  {told}; {extent(results)}", "bold")], []]


def _told(result: Result, width: int) -> str:
    """Returns the first divergence, or the greatest difference of weights and losses, and cuts."""
    if result.verdict == ERROR:
        return ""
    if (first := result.first_divergence) is not None:
        level, item = first
        return "  " + shortened(plain(item_place(level.id, item)), width - 2)
    trajectory = next((level for level in result.levels if level.id == "trajectory"), None)
    if trajectory is None or not trajectory.items:
        return f"  {trajectory.status}" if trajectory is not None else ""
    # How float32 rounds a weight is no difference of it.
    items = [item for item in items_of(trajectory) if item.unit != ROUNDINGS]
    losses = [item.worst for item in items if "loss" in item.name]
    weights = [item.worst for item in (*items, *_ends(result)) if "." in item.name]
    rates = result.history.get("torch", {}).get("learning_rate")
    cuts = str(len(set(rates)) - 1) if rates else "-"  # a check has no history
    return f"{_greatest(weights):>13}{_greatest(losses):>12}{cuts:>6}"


def _ends(result: Result) -> list[Item]:
    """Returns the final weights: all values are compared, of recorded steps only some of each."""
    items = [item for level in result.levels if level.id == "schedule" for item in level.items]
    # Counted is the epoch whose weights they are.
    return [item for item in items if ENDS_WITH in item.name and item.unit != "count"]


def _greatest(values: Sequence[float]) -> str:
    return f"{max(values):.1e}" if values else "-"
