"""The plan of a sweep, one that has not finished, and one of trainings run elsewhere."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from parity.behaviour.readers.history import read_with_notes
from parity.behaviour.rules import judge
from parity.errors import InputError, RunError
from parity.files import records
from parity.files.json_io import write_json
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import MODES, RunSpec
from parity.programs.scenarios import MARGINS, SCENARIOS, Terms
from parity.programs.spec_record import ProgramSpecRecord, RunSpecRecord
from parity.sweeps.batch import spec_from
from parity.sweeps.result import SweepResult, result_of
from parity.sweeps.rows import Row, Sweep
from parity.sweeps.store import LocalStore
from parity.sweeps.stored_run import UNLIKE_FED, StoredRun, stored_run, unlike, unlike_fed

if TYPE_CHECKING:
    from parity.sweeps.task import Task


# --- What a sweep is to run, and by which margins it is judged: `plan.json` in its folder ---------
#
# It is written before the first run. An unfinished sweep, of which only the store tells, is
# therefore judged by its own margins, and the runs that it still lacks are counted.


PLAN = "plan.json"
SCHEMA = "parity.sweep.plan/1"
MAX_SEED = 2**32 - 1
MAX_BYTES = 100_000_000  # a run needs 75; the default sweep with strict margins has 15,796

Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Place = tuple[str, int, str]  # scenario or program, seed, half


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep.

    Attributes:
        mode: "seeded" or "independent".
        margins: "visible" or "strict".
        command: as it was typed.
        keys: of the task of each run, in order, by its place.
        terms: how the programs of the user's are judged, by name.
        specs: settings of each scenario and program, whose seed is that of the run; those of older
            plans are not known.
    """

    mode: str
    margins: str
    command: str
    keys: dict[Place, str]
    terms: dict[str, Terms] = field(default_factory=dict)
    specs: dict[str, RunSpec | ProgramSpec] = field(default_factory=dict)


@records.mirrors(Terms, omit=("expected",))
class TermsRecord:
    """How a program of the user's is judged."""

    cures: records.Name | None


class PlanRecord(records.Record):
    """The plan of a sweep.

    Attributes:
        runs: key of each run: scenario or program -> half -> seed -> key.
        programs: programs of the user's among the runs.
        settings: of each scenario and program; the seed is 0.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    mode: Annotated[str, records.one_of(*MODES)]
    margins: Annotated[str, records.one_of(*MARGINS)]
    command: str
    runs: dict[str, dict[records.Half, dict[str, Key]]]
    programs: dict[str, TermsRecord] | UnsetType = UNSET
    settings: dict[str, dict[str, Any]] | UnsetType = UNSET


def write_plan(
    folder: Path,
    tasks: Sequence[Task],
    *,
    mode: str,
    margins: str,
    command: str,
    terms: Mapping[str, Terms] | None = None,
) -> None:
    """Writes the plan of a sweep into its folder.

    Args:
        folder: folder of the sweep, which exists.
        tasks: a task for each run and half; see `planned`.
        mode: "seeded" or "independent".
        margins: "visible" or "strict".
        command: as it was typed.
        terms: of the programs of the user's among the runs.

    Raises:
        OSError: it cannot be written.
    """
    runs: dict[str, dict[str, dict[str, str]]] = {}
    for task in tasks:
        seeds = runs.setdefault(task.spec.name, {}).setdefault(task.half, {})
        seeds[str(task.spec.seed)] = task.key
    plan: dict[str, Any] = {
        "schema": SCHEMA,
        "mode": mode,
        "margins": margins,
        "command": command,
        "runs": runs,
        "settings": _settings(tasks),
    }
    if terms:
        plan["programs"] = {
            name: {"cures": each.cures, "margins": asdict(each.margins)}
            for name, each in terms.items()
        }
    write_json(folder / PLAN, plan)


def read_plan(folder: Path) -> Plan | None:
    """Reads the plan in the folder of a sweep; None if it has none.

    Raises:
        InputError: it cannot be read, or is no plan.
    """
    path = folder / PLAN
    if not path.is_file():
        return None
    return records.read_record(PlanRecord, path, _plan, max_bytes=MAX_BYTES)


def _plan(found: PlanRecord) -> Plan:
    keys = {(scenario, seed, half): key for scenario, seed, half, key in _places(found)}
    programs = {} if found.programs is UNSET else found.programs
    terms = {name: records.domain(Terms, each) for name, each in programs.items()}
    settings = {} if found.settings is UNSET else found.settings
    specs = dict[str, RunSpec | ProgramSpec]()
    for name, values in settings.items():
        kind = ProgramSpecRecord if "program" in values else RunSpecRecord
        records.checked(kind, values, f"settings.{name[:40]}")
        specs[name] = spec_from(values)
    return Plan(found.mode, found.margins, found.command, keys, terms, specs)


def _settings(tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
    """Returns the settings of each scenario and program, all of whose runs differ in the seed."""
    found: dict[str, set[RunSpec | ProgramSpec]] = {}
    for task in tasks:
        found.setdefault(task.spec.name, set()).add(task.spec.replace(seed=0))
    return {name: _plain_settings(*specs) for name, specs in found.items() if len(specs) == 1}


def _plain_settings(spec: RunSpec | ProgramSpec) -> dict[str, Any]:
    """Returns the settings as files have them, without the path of a folder."""
    return spec.to_dict() if isinstance(spec, RunSpec) else spec.told()


def _places(found: PlanRecord) -> Iterator[tuple[str, int, str, str]]:
    programs = () if found.programs is UNSET else found.programs
    for scenario, halves in found.runs.items():
        if scenario not in SCENARIOS and scenario not in programs:
            raise ValueError(f"a key of runs is {scenario[:40]!r}, not a scenario of parity list")
        for half, seeds in halves.items():
            for seed, key in seeds.items():
                if not (seed.isdecimal() and len(seed) <= 10 and int(seed) <= MAX_SEED):
                    raise ValueError(f"a key of runs.{scenario}.{half} is {seed[:40]!r}, no seed")
                yield scenario, int(seed), half, key


# --- A sweep that has not finished: the results of the runs that have, and what its plan says -----
#
# In: the folder of a sweep. Out: a `SweepResult` whose verdict is "incomplete". The plan has the
# margins and the runs that are missing. A folder without one is judged by the default margins.


NOT_RUN = "it has not run yet, or has failed"
_NO_PLAN = "the visible margins judge it, and the runs that it lacks are not known"


def is_superseded(result: SweepResult, folder: Path) -> bool:
    """Whether the plan in a folder is not that of the result there: a later sweep has begun."""
    try:
        plan = read_plan(folder)
    except InputError:
        return False
    if plan is None:
        return False
    found = {(row.scenario, row.seed, row.half): row.key for row in result.rows}
    lacking = {(row["scenario"], row["seed"], row["half"]) for row in result.failures}
    is_same = (
        (result.mode, result.margins) == (plan.mode, plan.margins)
        and found.keys() | lacking == plan.keys.keys()
        and all(plan.keys[place] == key for place, key in found.items())
    )
    return not is_same


def sweep_of_store(folder: Path) -> tuple[SweepResult, tuple[str, ...]]:
    """Returns what the finished runs of a folder say, and what of them cannot be used.

    Args:
        folder: folder of a sweep.

    Raises:
        InputError: no run has finished.
    """
    store = LocalStore(folder)
    problems: list[str] = []
    try:
        plan = read_plan(folder)
    except InputError as error:
        plan = None
        problems.append(f"{error}; {_NO_PLAN}")
    else:
        problems += [] if plan else [f"{PLAN} is missing: {_NO_PLAN}"]
    keys = store.finished() if plan is None else store.finished() & set(plan.keys.values())
    known: dict[str, StoredRun] = {}
    for key in sorted(keys):
        try:
            known[key] = stored_run(store, key)
        except RunError as error:
            problems.append(f"{_file(key)} cannot be used ({error})")
    if plan is None:
        latest = _latest(known, problems)
        runs: dict[Place, StoredRun | None] = {place: known[key] for place, key in latest.items()}
        keys_of = latest
    else:
        runs, keys_of = _of_plan(plan, known, problems), plan.keys
    programs = {run.spec.name for run in known.values() if isinstance(run.spec, ProgramSpec)}
    terms = {name: Terms() for name in programs} if plan is None else plan.terms
    sweep, modes, versions = Sweep(), set(), dict[str, Any]()
    unlike_keras = unlike_fed({place: run for place, run in runs.items() if run is not None})
    for (scenario, seed, half), run in runs.items():
        if run is None or (scenario, seed, half) in unlike_keras:
            reason = NOT_RUN if run is None else UNLIKE_FED
            sweep.failures.append(
                {"scenario": scenario, "seed": seed, "half": half, "reason": reason}
            )
            continue
        key = keys_of[scenario, seed, half]
        sweep.rows.append(Row(scenario, seed, half, run.judgement, run.wall_s, key))
        versions[half] = {"versions": run.versions}
        if half == "torch":  # a program draws its own numbers
            modes.add(getattr(run.spec, "mode", "independent"))
    if not sweep.rows:
        raise InputError(f"{folder}: no run of the sweep has finished; give its command again")
    if plan is None:
        mode, margins = "seeded" if modes == {"seeded"} else "independent", "visible"
    else:
        mode, margins = plan.mode, plan.margins
        versions["command"] = plan.command
    found = result_of(
        sweep, mode=mode, margins=margins, is_whole=False, environment=versions, terms=terms
    )
    return found, tuple(problems)


def _of_plan(
    plan: Plan, runs: Mapping[str, StoredRun], problems: list[str]
) -> dict[Place, StoredRun | None]:
    """Returns the run of each place of a plan; None: it has not finished, or is another run."""
    found: dict[Place, StoredRun | None] = {}
    for (scenario, seed, half), key in plan.keys.items():
        run = found[scenario, seed, half] = runs.get(key)
        if run is None:
            continue
        spec = plan.specs.get(scenario, run.spec).replace(seed=seed)
        if problem := unlike(run, half, spec):
            found[scenario, seed, half] = None
            problems.append(f"{_file(key)} cannot be used (it is of another run: {problem})")
    return found


def _file(key: str) -> str:
    return f"results/{key[:2]}/{key[:12]}...json"


def _latest(known: dict[str, StoredRun], problems: list[str]) -> dict[Place, str]:
    """Returns the key of each run that has finished, by its place.

    Where a run is there twice, as of two versions of the code, the one that finished last counts.
    """
    found: dict[Place, str] = {}
    for key, run in known.items():
        place = (run.spec.name, run.spec.seed, run.half)
        if run.spec.name not in SCENARIOS and isinstance(run.spec, RunSpec):
            problems.append("{} seed {} {}: not a scenario of parity list".format(*place))
        elif place not in found or known[found[place]].started < run.started:
            found[place] = key
    return dict(sorted(found.items()))


# --- A sweep of trainings that were run elsewhere: two groups of histories, as rows ---------------
#
# In: a glob for each half, whose files are of any format that `parity diagnose` reads. Out: rows,
# the files that could not be read, and notes on how the runs were taken.


NAME = "histories"  # in the place of a scenario
MAX_NAMED = 6
_SEED = re.compile(r"seed[-_ =]?(\d{1,9})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Histories:
    """What was read.

    Attributes:
        sweep: a row for each history; a failure for each file that could not be read.
        are_pairs: whether the names have the same seeds on both sides, so that runs form pairs.
        notes: how the runs were taken, and which columns one side lacks, as sentences.
    """

    sweep: Sweep
    are_pairs: bool
    notes: tuple[str, ...]


def read_histories(patterns: Sequence[str]) -> Histories:
    """Reads the histories of both halves.

    Args:
        patterns: glob of Keras's files, and of torch's.

    Raises:
        InputError: fewer than two histories of a side can be read.
    """
    sweep, columns = Sweep(), dict[str, set[str]]()
    notes: list[str] = []
    found = {
        half: [*map(Path, sorted(glob.glob(pattern, recursive=True)))]
        for half, pattern in zip(HALVES, patterns, strict=True)
    }
    seeds = {half: _seeds(paths) for half, paths in found.items()}
    keras, torch = (seeds[half] for half in HALVES)
    are_pairs = keras is not None and torch is not None and {*keras} == {*torch}
    for half, pattern in zip(HALVES, patterns, strict=True):
        known = (seeds[half] if are_pairs else None) or list(range(len(found[half])))
        read = 0
        for seed, path in zip(known, found[half], strict=True):
            try:
                history, _ = read_with_notes(path)
            except InputError as error:
                sweep.failures.append(
                    {"scenario": NAME, "seed": seed, "half": half, "reason": str(error)}
                )
                continue
            read += 1
            columns.setdefault(half, set()).update(history)
            sweep.rows.append(Row(NAME, seed, half, judge(history), 0.0))
        if read < 2:
            reasons = [str(row["reason"]) for row in sweep.failures if row["half"] == half]
            raise InputError(
                f"--histories {pattern!r}: {read} of {len(found[half])} files can be read; "
                "expected at least two histories of each half"
                + "".join(f"\n  {reason}" for reason in reasons[:MAX_NAMED])
            )
    sweep.num_run = len(sweep.rows)
    notes.append(
        "the runs of a seed are pairs, since the names of both sides have the same seeds"
        if are_pairs
        else "the runs are two groups and no pairs: the names do not have the same seeds, such as "
        "seed3, on both sides, once each"
    )
    return Histories(sweep, are_pairs, (*notes, *_unlike(columns)))


def _seeds(paths: Sequence[Path]) -> list[int] | None:
    """Returns the seed in each name or that of its folder; None unless all have one, each once."""
    found = []
    for path in paths:
        match = _SEED.search(path.name) or _SEED.search(path.parent.name)
        if match is None:
            return None
        found.append(int(match[1]))
    return found if len(set(found)) == len(found) else None


def _unlike(columns: Mapping[str, set[str]]) -> list[str]:
    """Returns which columns one side has and the other lacks, as sentences."""
    notes = []
    for half, other in (HALVES, HALVES[::-1]):
        if only := sorted(columns[half] - columns[other]):
            shown = ", ".join(only[:MAX_NAMED]) + (", ..." if len(only) > MAX_NAMED else "")
            notes.append(f"only {half} has {shown}: nothing of it is compared")
    return notes
