"""A sweep that has not finished: the results of the runs that have, and what its plan says.

In: the folder of a sweep. Out: a `SweepResult` whose verdict is "incomplete". The plan has the
margins and the runs that are missing. A folder without one is judged by the default margins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import InputError, RunError
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import SCENARIOS, Terms
from parity.sweeps.plan import PLAN, Place, Plan, read_plan
from parity.sweeps.result import SweepResult, result_of
from parity.sweeps.rows import Row, Sweep
from parity.sweeps.store import LocalStore
from parity.sweeps.stored_run import UNLIKE_FED, StoredRun, stored_run, unlike, unlike_fed

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
    own = {run.spec.name for run in known.values() if isinstance(run.spec, ProgramSpec)}
    terms = {name: Terms() for name in own} if plan is None else plan.terms
    sweep, modes, versions = Sweep(), set(), dict[str, Any]()
    unlike_keras = unlike_fed({place: run for place, run in runs.items() if run is not None})
    for (scenario, seed, half), run in runs.items():
        if run is None or (scenario, seed, half) in unlike_keras:
            reason = NOT_RUN if run is None else UNLIKE_FED
            row = {"scenario": scenario, "seed": seed, "half": half, "reason": reason}
            sweep.failures.append(row)
            continue
        key = keys_of[scenario, seed, half]
        sweep.rows.append(Row(scenario, seed, half, run.judgement, run.wall_s, key))
        versions[half] = {"versions": run.versions}
        modes |= {_mode(run.spec)} if half == "torch" else set()
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


def _mode(spec: RunSpec | ProgramSpec) -> str:
    """Returns the mode of a run; a program draws its own numbers."""
    return spec.mode if isinstance(spec, RunSpec) else "independent"


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
            where = f"{run.spec.name} seed {run.spec.seed} {run.half}"
            problems.append(f"{where}: not a scenario of parity list")
        elif place not in found or known[found[place]].started < run.started:
            found[place] = key
    return dict(sorted(found.items()))
