"""A sweep from what it has left: `sweep.json`, or the results of the runs that have finished.

In: a folder or a file of `parity.sweep/2`. Out: a `SweepResult`, with a row for every run where the
file has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from parity.behaviour.judgement_record import JudgementRecord, Verdict
from parity.errors import InputError, ParityError
from parity.files import records
from parity.programs.run_spec import MODES, RunSpec
from parity.programs.scenarios import MARGINS, SCENARIOS
from parity.stats import Equivalence
from parity.sweeps.agreement import ScenarioVerdicts
from parity.sweeps.collapses import Collapses
from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence
from parity.sweeps.result import SCHEMA, SweepResult, result_of
from parity.sweeps.rows import Row, Sweep, judge_record
from parity.sweeps.samples import QUANTITIES
from parity.sweeps.store import LocalStore

EFFECTS = tuple(f"effect on {name}" for name in ("gap", "accuracy"))

# How many runs have each verdict.
Verdicts = Annotated[dict[Verdict, records.AtLeastOne], Meta(min_length=1)]
Outcome = Annotated[str, records.one_of("equivalent", "different", "inconclusive")]


@records.mirrors(ScenarioVerdicts)
class ScenarioRecord:
    """The verdicts on the runs of one scenario.

    Attributes:
        agrees: whether `verdict` is "agree".
    """

    expected: Verdict | None
    num_seeds: records.AtLeastOne
    keras: Verdicts
    torch: Verdicts
    num_missing: records.Count
    num_same: records.Count
    num_near: records.Count
    p_different: records.Share
    verdict: Annotated[str, records.one_of("agree", "different", "undecided")]
    agrees: bool


@records.mirrors(Collapses)
class CollapsesRecord:
    num_seeds: records.AtLeastOne
    keras: records.Count
    torch: records.Count
    keras_diverged: records.Count
    torch_diverged: records.Count
    margin: records.Amount
    p_different: records.Share
    verdict: Outcome


@records.mirrors(Equivalence)
class EquivalenceRecord:
    """Two one-sided tests of the pairs (TOST). Differences are keras - torch."""

    verdict: Outcome
    margin: records.Amount
    alpha: records.Share
    n: Annotated[int, Meta(ge=2)]
    n_needed: records.AtLeastOne | None


@records.mirrors(EquivalenceRow)
class ComparisonRecord:
    quantity: Annotated[str, records.one_of(*QUANTITIES, *EFFECTS)]
    num_left_out: records.Count
    equivalence: EquivalenceRecord
    verdict: Outcome


@records.mirrors(Row)
class RowRecord:
    seed: records.Count
    half: records.Half
    judgement: JudgementRecord


class FailureRecord(records.Record):
    """A run without a result.

    Attributes:
        scenario: its scenario.
        seed: its seed.
        half: which half.
        reason: why it has none.
    """

    scenario: str
    seed: records.Count
    half: records.Half
    reason: str


class RunsRecord(records.Record):
    """Numbers of runs; a run is one half of one seed of one scenario.

    Attributes:
        finished: runs with a result.
        failed: runs without one.
        now: finished runs that were not finished before.
    """

    finished: records.Count
    failed: records.Count
    now: records.Count


class VersionsRecord(records.Record):
    """What one half was run with.

    Attributes:
        versions: of Python and of packages, by name; null: not known.
    """

    versions: dict[str, str | None] | UnsetType | None = UNSET


class EnvironmentRecord(records.Record):
    """The command, and the versions of each half; what is not known is left out.

    Attributes:
        command: as it was typed.
        keras: versions of the Keras half.
        torch: versions of the PyTorch half.
    """

    command: str | UnsetType = UNSET
    keras: VersionsRecord | UnsetType = UNSET
    torch: VersionsRecord | UnsetType = UNSET


class SweepRecord(records.Record):
    """What `parity sweep --json` writes: whether the two halves behave alike over many seeds.

    Attributes:
        schema: name and version of this schema.
        verdict: pass: all is shown to be equivalent; fail: a difference is shown; inconclusive:
            too few seeds tell; incomplete: a run is missing.
        mode: whether the torch half drew Keras's random numbers or its own.
        margins: which margins judged; each comparison has its own.
        runs: how many there are.
        scenarios: the verdicts, a row a scenario.
        collapses: the runs that did not train, a row a scenario.
        comparisons: the statistics, a row a quantity.
        wall_s: mean seconds of training; a half without a finished run is left out.
        failures: a row for each run without a result.
        rows: a row for each finished run.
        environment: the command, and the versions of each half; what is not known is left out.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    verdict: Annotated[str, records.one_of("pass", "fail", "inconclusive", "incomplete")]
    mode: Annotated[str, records.one_of(*MODES)]
    margins: Annotated[str, records.one_of(*MARGINS)]
    runs: RunsRecord
    scenarios: records.Many[ScenarioRecord]
    collapses: records.Many[CollapsesRecord]
    comparisons: records.Many[ComparisonRecord]
    wall_s: dict[records.Half, records.Number]
    failures: records.Many[FailureRecord]
    rows: records.Many[RowRecord] | UnsetType = UNSET
    environment: EnvironmentRecord | UnsetType = UNSET


def sweep_from(value: Any, where: str) -> SweepResult:
    """Returns the sweep that the JSON of `parity.sweep/2` tells of.

    Args:
        value: as read; what follows from the rest (the number of failures, `agrees`) is not used.
        where: name of the file, for messages.

    Raises:
        InputError: something in it is no such result.
    """
    return records.record_from(SweepRecord, value, where, _sweep)


def _sweep(found: SweepRecord) -> SweepResult:
    verdict: Any = found.verdict
    return SweepResult(
        verdict=verdict,
        mode=found.mode,
        margins=found.margins,
        equivalence=SweepEquivalence(
            verdict if verdict != "incomplete" else "inconclusive",
            records.domain(tuple[ScenarioVerdicts, ...], found.scenarios),
            records.domain(tuple[Collapses, ...], found.collapses),
            records.domain(tuple[EquivalenceRow, ...], found.comparisons),
        ),
        num_runs=found.runs.finished,
        num_run_now=found.runs.now,
        failures=tuple(records.plain(found.failures)),
        wall_s=dict(found.wall_s),
        rows=()
        if isinstance(found.rows, UnsetType)
        else records.domain(tuple[Row, ...], found.rows),
        environment={} if found.environment is UNSET else records.plain(found.environment),
    )


def sweep_of_store(folder: Path) -> tuple[SweepResult, tuple[str, ...]]:
    """Returns what the finished runs of a folder say, and what of them cannot be used.

    Where a run is there twice, as of two versions of the code, the one that finished last counts.
    """
    store = LocalStore(folder)
    rows: dict[tuple[str, int, str], tuple[float, Row]] = {}
    problems, modes = [], set()
    versions: dict[str, Any] = {}
    for key in sorted(store.finished()):
        try:
            record = store.get(key)
            spec = RunSpec.from_dict(record["spec"])
            judgement, wall_s = judge_record(record, spec)
            half, started = str(record["half"]), float(record["run"]["started"])
        except (ParityError, KeyError, TypeError, ValueError) as error:
            problems.append(f"results/{key[:2]}/{key[:12]}...json cannot be used ({error})")
            continue
        if spec.scenario not in SCENARIOS:
            problems.append(
                f"{spec.scenario} seed {spec.seed} {half}: not a scenario of parity list"
            )
            continue
        if half == "torch":
            modes.add(spec.mode)
        versions[half] = {"versions": record.get("versions")}
        place = (spec.scenario, spec.seed, half)
        row = Row(spec.scenario, spec.seed, half, judgement, wall_s, key)
        if place not in rows or rows[place][0] < started:
            rows[place] = (started, row)
    if not rows:
        raise InputError(f"{folder}: no run of the sweep has finished; give its command again")
    mode = modes.pop() if len(modes) == 1 else "independent"
    found = Sweep(rows=[row for _, (_, row) in sorted(rows.items())])
    return result_of(found, mode=mode, is_whole=False, environment=versions), tuple(problems)
