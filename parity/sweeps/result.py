"""SweepResult: the verdict on a sweep and what it rests on; its JSON form is `parity.sweep/2`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from parity.files.floats import encode_floats
from parity.programs.scenarios import SCENARIOS, Judged, Terms
from parity.sweeps.equivalence import SweepEquivalence, compare
from parity.sweeps.rows import Row, Sweep
from parity.sweeps.seeds import Seeds, seeds_of
from parity.sweeps.unpaired import compare_groups

SCHEMA = "parity.sweep/2"


@dataclass(frozen=True)
class SweepResult:
    """The result of a sweep.

    Attributes:
        verdict: "pass", "fail", "inconclusive", or "incomplete" if a run is missing.
        mode: "seeded" or "independent".
        margins: "visible" or "strict".
        equivalence: whether the halves behave alike in the finished runs.
        num_runs: number of finished runs.
        num_run_now: how many of them were run now and not before.
        failures: a row for each missing run.
        wall_s: mean seconds of training by half.
        rows: the finished runs.
        environment: the command, and the versions of each half, as far as they are known.
        notes: on the histories that were read, as sentences.
    """

    verdict: str
    mode: str
    margins: str
    equivalence: SweepEquivalence
    num_runs: int
    num_run_now: int
    failures: tuple[dict[str, Any], ...]
    wall_s: dict[str, float]
    rows: tuple[Row, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def seeds(self) -> tuple[Seeds, ...]:
        """How many seeds of each scenario have run, are missing, and would be needed."""
        return seeds_of(self.equivalence, self.failures)

    def to_json(self) -> dict[str, Any]:
        """Returns the result as `parity.sweep/2`."""
        found = self.equivalence
        counts = {"finished": self.num_runs, "failed": len(self.failures), "now": self.num_run_now}
        return encode_floats(
            {
                "schema": SCHEMA,
                "verdict": self.verdict,
                "mode": self.mode,
                "margins": self.margins,
                "runs": counts,
                "seeds": [asdict(row) for row in self.seeds],
                "scenarios": [{**asdict(row), "agrees": row.agrees} for row in found.verdicts],
                "collapses": [asdict(row) for row in found.collapses],
                "comparisons": [asdict(row) for row in found.comparisons],
                "wall_s": self.wall_s,
                "failures": list(self.failures),
                "rows": [asdict(row) for row in self.rows],
                "environment": self.environment,
                **({"notes": list(self.notes)} if self.notes else {}),
            }
        )


def result_of(
    sweep: Sweep,
    *,
    mode: str,
    margins: str = "visible",
    is_whole: bool = True,
    environment: Mapping[str, Any] | None = None,
    terms: Mapping[str, Terms] | None = None,
    are_pairs: bool = True,
    notes: Iterable[str] = (),
) -> SweepResult:
    """Judges a sweep.

    Args:
        sweep: runs of the sweep.
        mode: mode of the runs, "seeded" or "independent".
        margins: "visible" or "strict"; see `Scenario.margins_of`.
        is_whole: whether the sweep has ended; if not, its verdict is "incomplete".
        environment: command and versions, as far as they are known.
        terms: of the programs of the user's among the runs.
        are_pairs: whether the runs of a seed are a pair; if not, the halves are two groups.
        notes: on the histories that were read.
    """
    judged: dict[str, Judged] = {**SCENARIOS, **_expecting(terms or {}, sweep.rows)}
    if are_pairs:
        equivalence = compare(
            sweep.rows, judged, mode=mode, margins=margins, missing=sweep.failures
        )
    else:
        equivalence = compare_groups(sweep.rows, judged, margins=margins)
    seconds: dict[str, list[float]] = {}
    for row in sweep.rows:
        seconds.setdefault(row.half, []).append(row.wall_s)
    return SweepResult(
        verdict=equivalence.verdict if sweep.is_complete and is_whole else "incomplete",
        mode=mode,
        margins=margins,
        equivalence=equivalence,
        num_runs=len(sweep.rows),
        num_run_now=sweep.num_run,
        failures=tuple(sweep.failures),
        wall_s={half: sum(values) / len(values) for half, values in seconds.items()},
        rows=tuple(sweep.rows),
        environment=dict(environment or {}),
        notes=tuple(notes),
    )


def _expecting(terms: Mapping[str, Terms], rows: Iterable[Row]) -> dict[str, Terms]:
    """Returns terms with the verdict that each program is expected to have.

    A remedy is to be a good fit, as the built-in ones are. Without an accuracy that cannot be
    seen, and nothing is expected.
    """
    known = {row.scenario for row in rows if row.judgement.val_accuracy is not None}
    return {
        name: replace(each, expected="good_fit" if each.cures and name in known else None)
        for name, each in terms.items()
    }
