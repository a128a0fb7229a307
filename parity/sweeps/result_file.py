"""A sweep from its file.

In: a file of `parity.sweep/2`. Out: a `SweepResult`, with a row for every run where the file has
them. `parity.sweeps.unfinished` reads a sweep that has no file yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Meta, UnsetType

from parity.behaviour.judgement_record import JudgementRecord
from parity.files import records
from parity.programs.run_spec import MODES
from parity.programs.scenarios import MARGINS, SCENARIOS, Margins, Terms
from parity.stats import Equivalence
from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence, verdict_of
from parity.sweeps.result import SCHEMA, Seeds, SweepResult, result_of
from parity.sweeps.rows import Row, Sweep
from parity.sweeps.samples import QUANTITIES, margin_of
from parity.sweeps.verdicts import Collapses, ScenarioVerdicts

EFFECTS = tuple(f"effect on {name}" for name in ("gap", "accuracy", "val_loss"))

_UNKNOWN = "?"  # what a remedy cures whose effect was not compared

# The accuracy of one of several outputs has the name of the output in front. `$` alone would take a
# line break behind it, and schemas know no `\Z`.
_NAMES = "|".join((*QUANTITIES, *EFFECTS))
_QUANTITY = Meta(pattern=rf"^(?:{_NAMES}|.+_accuracy)$(?!\n)", max_length=records.MAX_NAME)


@records.mirrors(ScenarioVerdicts)
class ScenarioRecord:
    """The verdicts on the runs of one scenario.

    Attributes:
        agrees: whether `verdict` is "agree".
    """

    agrees: bool


@records.mirrors(Collapses)
class CollapsesRecord:
    num_torch: records.AtLeastOne | None = None


@records.mirrors(Equivalence)
class EquivalenceRecord:
    """Two one-sided tests of the pairs (TOST). Differences are keras - torch."""

    margin: records.Amount
    alpha: records.Share
    n: Annotated[int, Meta(ge=2)]
    n_needed: records.AtLeastOne | None


@records.mirrors(EquivalenceRow)
class ComparisonRecord:
    quantity: Annotated[str, _QUANTITY]


@records.mirrors(Row)
class RowRecord:
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


@records.mirrors(Seeds)
class SeedsRecord:
    """How many seeds of a scenario have run, are missing, and would be needed."""


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
        seeds: how many there are and are needed, a row a scenario.
        rows: a row for each finished run.
        environment: the command, and the versions of each half; what is not known is left out.
        notes: on the histories that were read, as sentences; only in a sweep of histories.
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
    seeds: records.Many[SeedsRecord] | UnsetType = UNSET
    rows: records.Many[RowRecord] | UnsetType = UNSET
    environment: EnvironmentRecord | UnsetType = UNSET
    notes: records.Many[str] | UnsetType = UNSET


def sweep_from(value: Any, where: str) -> SweepResult:
    """Returns the sweep that the JSON of `parity.sweep/2` tells of.

    Args:
        value: as read. What follows from its runs is computed from them, and not read: verdicts,
            counts, tests, means. The file of an earlier version has no runs; there, the rows of the
            scenarios and quantities are read, and the verdict on all is computed from these.
        where: name of the file, for messages.

    Raises:
        InputError: something in it is no such result.
    """
    return records.record_from(SweepRecord, value, where, _sweep)


def _sweep(found: SweepRecord) -> SweepResult:
    known: dict[str, Any] = {
        "mode": found.mode,
        "margins": found.margins,
        "environment": {} if found.environment is UNSET else records.plain(found.environment),
        "notes": () if isinstance(found.notes, UnsetType) else tuple(found.notes),
    }
    written_rows = (
        records.domain(tuple[ScenarioVerdicts, ...], found.scenarios),
        records.domain(tuple[Collapses, ...], found.collapses),
        records.domain(tuple[EquivalenceRow, ...], found.comparisons),
    )
    written = SweepEquivalence(verdict_of(*written_rows), *written_rows)
    rows = () if isinstance(found.rows, UnsetType) else records.domain(tuple[Row, ...], found.rows)
    sweep = Sweep([*rows], records.plain(found.failures), found.runs.now)
    # "incomplete" says less than any other verdict.
    is_whole = sweep.is_complete and found.verdict != "incomplete"
    if not rows:
        return SweepResult(
            verdict=written.verdict if is_whole else "incomplete",
            equivalence=written,
            num_runs=found.runs.finished,
            num_run_now=found.runs.now,
            failures=tuple(sweep.failures),
            wall_s=dict(found.wall_s),
            **known,
        )
    are_pairs = all(row.num_torch is None for row in written.collapses)
    places = [(row.scenario, row.seed, row.half) for row in rows]
    places += [(row.scenario, row.seed, row.half) for row in found.failures]
    if len({*places}) < len(places):
        raise ValueError("a run occurs twice among rows and failures")
    if is_whole and are_pairs and len(places) < 2 * len({place[:2] for place in places}):
        raise ValueError("rows and failures lack one half of a seed")

    def judged(terms: Mapping[str, Terms]) -> SweepResult:
        with np.errstate(all="ignore"):  # there may be numbers whose squares leave the floats
            return result_of(sweep, is_whole=is_whole, terms=terms, are_pairs=are_pairs, **known)

    programs = {row.scenario for row in rows} - SCENARIOS.keys()
    by_default = judged(dict.fromkeys(programs, Terms()))
    if not programs:
        return by_default
    return judged(_terms(programs, written, by_default.equivalence))


def _terms(
    programs: Set[str], written: SweepEquivalence, by_default: SweepEquivalence
) -> dict[str, Terms]:
    """Returns how programs of the user's were judged; no run says that.

    Args:
        programs: their names.
        written: as the file has it, with the margins.
        by_default: of the same runs, with the margins that a program has by default.
    """
    cures = {row.scenario: _UNKNOWN for row in written.verdicts if row.expected == "good_fit"}
    cures |= {row.scenario: row.against for row in written.comparisons if row.against}
    margins: dict[str, dict[str, float]] = defaultdict(dict)
    for row in written.comparisons:
        field = margin_of(row.quantity.removeprefix("effect on "))
        margins[row.scenario][field] = row.equivalence.margin
    for row in by_default.comparisons:  # this margin is a share of the longest run that trained
        if row.quantity == "epochs" and "epochs" in (found := margins[row.scenario]):
            share = found["epochs"] * (Margins().epochs / row.equivalence.margin)
            found["epochs"] = float(f"{share:.12g}")  # as it was typed
    for each in written.collapses:
        margins[each.scenario]["collapses"] = each.margin
    return {name: Terms(cures.get(name), Margins(**margins[name])) for name in programs}
