"""SweepResult: the verdict on a sweep and what it rests on; its JSON form is `parity.sweep/2`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from parity.files.floats import encode_floats
from parity.files.ranges import AtLeast0
from parity.programs.scenarios import SCENARIOS, Judged, Terms
from parity.sweeps.equivalence import SweepEquivalence, compare, compare_groups
from parity.sweeps.rows import Row, Sweep

if TYPE_CHECKING:
    from parity.sweeps.equivalence import EquivalenceRow
    from parity.sweeps.verdicts import Collapses


# --- How many seeds of each scenario have run, are missing, and would be needed -------------------


@dataclass(frozen=True)
class Seeds:
    """The seeds of one scenario.

    Attributes:
        scenario: name of the scenario.
        finished: number of seeds with a result in both halves.
        missing: number of seeds of the sweep that lack a result in one half or in both.
        needed: number of seeds, of all together, with which a port without a difference would be
            shown to be equivalent with a power of 0.8 in what more seeds can decide; by the spread
            of the finished ones. 0: nothing is undecided for want of seeds; None: more than a
            million.
    """

    scenario: str
    finished: AtLeast0
    missing: AtLeast0
    needed: AtLeast0 | None

    @property
    def are_enough(self) -> bool:
        """Whether no seed is missing, and no more are needed."""
        return self.missing == 0 and self.needed == 0


def seeds_of(
    equivalence: SweepEquivalence, failures: Iterable[Mapping[str, Any]]
) -> tuple[Seeds, ...]:
    """Returns the seeds of each scenario: those that were compared first, then the others.

    Args:
        equivalence: what was compared.
        failures: scenario and seed of each run without a result.
    """
    found = [
        Seeds(row.scenario, row.num_seeds, row.num_missing, _needed(equivalence, row.scenario))
        for row in equivalence.verdicts
    ]
    lacking: dict[str, set[int]] = {}
    for row in failures:
        lacking.setdefault(str(row["scenario"]), set()).add(int(row["seed"]))
    known = {row.scenario for row in found}
    # Of these no seed has finished in both halves, and nothing tells how many are needed.
    found += [Seeds(name, 0, len(seeds), 0) for name, seeds in lacking.items() if name not in known]
    return tuple(found)


def _needed(equivalence: SweepEquivalence, scenario: str) -> int | None:
    rows: list[EquivalenceRow | Collapses] = [*equivalence.comparisons, *equivalence.collapses]
    numbers = [row.needed for row in rows if row.scenario == scenario and row.lacks_seeds]
    return None if None in numbers else max((n for n in numbers if n is not None), default=0)


# --------------------------------------------------------------------------------------------------
#
# SweepResult: the verdict on a sweep and what it rests on; its JSON form is `parity.sweep/2`.


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
