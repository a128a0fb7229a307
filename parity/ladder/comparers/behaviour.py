"""Behaviour: the verdict on the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.behaviour.rules import judge_run
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.run import lengths
from parity.ladder.items import PASS
from parity.ladder.outcome import Outcome, judged, skipped
from parity.programs.run_spec import RunSpec

if TYPE_CHECKING:
    from parity.behaviour.judgement import Judgement
    from parity.ladder.tolerance import Tolerance
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Compares the verdicts on the fit."""
    a, b = judge_trace(keras), judge_trace(torch)
    last = min(lengths(keras, torch)) - 1
    train = tolerance.history("accuracy", last)
    gap = train + tolerance.history("val_accuracy", last)
    source = "the same verdict"
    if a.verdict != b.verdict and "diverged" not in (a.verdict, b.verdict):
        # Near the border of two verdicts, rounding may decide.
        items = [
            compare_close(name, getattr(a, name), getattr(b, name), allowed=allowed)
            for name, allowed in (("train_accuracy", train), ("gap", gap))
        ]
        if all(item.status == PASS for item in items):
            source += f"; {a.verdict} and {b.verdict} differ by less than the noise"
            return judged(source, items)
    return judged(source, [compare_exact("verdict", a.verdict, b.verdict)])


def judge_trace(trace: Trace) -> Judgement:
    """Returns the verdict on the history of a run."""
    return judge_run(RunSpec.from_dict(trace.spec), trace.history, trace.facts)


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares nothing: a probe trains too few steps."""
    return skipped(
        "a check trains a few steps; `parity run` and `parity sweep` train whole runs",
        applies=False,
    )
