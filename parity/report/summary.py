"""Many results in one table: a row a run, its verdict and how far its trajectory went."""

from __future__ import annotations

from collections.abc import Sequence

from parity.report.terminal import Line
from parity.result import ERROR, PASS, Result


def summary_lines(results: Sequence[Result]) -> list[Line]:
    """Returns the table, under a heading, and a line that counts the verdicts."""
    heading = (
        f"  {'scenario':<24}{'seed':>10}  {'verdict':<8}{'worst weight':>13}{'worst loss':>12}"
        f"{'cuts':>6}"
    )
    lines: list[Line] = [[(heading, "dim")]]
    for result in results:
        style = "green" if result.verdict == PASS else "bold red"
        name = f"  {result.spec['scenario']:<24}{result.spec['seed']:>10}  "
        lines.append([(name, ""), (f"{result.verdict:<8}", style), (_numbers(result), "")])
    counts = {
        verdict: sum(result.verdict == verdict for result in results)
        for verdict in dict.fromkeys(result.verdict for result in results)
    }
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return [*lines, [(f"  {told}", "bold")], []]


def _numbers(result: Result) -> str:
    """The greatest difference of any weight and of any loss, and the cuts of the learning rate."""
    if result.verdict == ERROR:
        return ""
    trajectory = next(level for level in result.levels if level.id == "trajectory")
    if not trajectory.items:
        return f"  {trajectory.status}"
    losses = [item.worst for item in trajectory.items if "loss" in item.name]
    weights = [item.worst for item in trajectory.items if "." in item.name]
    cuts = len(set(result.history["torch"]["learning_rate"])) - 1
    return f"{max(weights):>13.1e}{max(losses):>12.1e}{cuts:>6}"
