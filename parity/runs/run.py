"""run: trains one or many specs in both frameworks and compares them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from parity.data.load import run_data
from parity.errors import InputError, RunError, unwritten
from parity.halves.job import ChildJob, ChildOptions, Failure
from parity.halves.progress import ProgressDisplay, run_shown
from parity.ladder.items import Level
from parity.ladder.result import Result
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.scenario_spec import ScenarioSpec, of_run
from parity.runs.pair import Pair
from parity.runs.steps import Recorded, RunOptions
from parity.traces.folder import RunFolder

# --- The data of a built-in scenario, looked at before its halves begin ---------------------------


def data_record(spec: ProgramSpec) -> dict[str, Any]:
    """Returns the source and the digests of the data of a scenario; a program has its own.

    Raises:
        InputError: the data cannot be used, or the halves are to draw other random numbers.
    """
    if not isinstance(spec, ScenarioSpec):
        return {}
    if spec.run.mode != "seeded":
        raise InputError(
            f"mode={spec.run.mode!r}: expected 'seeded', since runs that draw other random numbers "
            "cannot be compared step by step; use `parity sweep`"
        )
    return {"source": spec.run.data, "sha256": run_data(spec.run).sha256}


# --- run: trains one or many specs in both frameworks and compares them ---------------------------
#
#     spec -> data -> children (keras, torch) -> traces -> ladder -> Result
#
# All children of all specs share one pool, so that the cores stay busy; a run is compared as soon
# as its own children have finished.


def run(spec: RunSpec | ProgramSpec, *, out: Path | str, save_weights: bool = False) -> Result:
    """Trains a spec in both frameworks and compares the two runs.

    Args:
        spec: the run.
        out: folder for the run directory; created if it is missing.
        save_weights: whether to leave the final weights of both halves in the run directory, as
            `keras.safetensors` and `torch.safetensors`: each a state_dict of the port.

    Returns:
        The result; a half that failed is a result with verdict "error".

    Raises:
        InputError: the spec, the data or the folder cannot be used.
    """
    children = ChildOptions(timeout_s=None)  # the run may take any time
    options = RunOptions(out=Path(out), children=children, save_weights=save_weights)
    return run_all([spec], options)[0]


def run_all(
    specs: Sequence[RunSpec | ProgramSpec],
    options: RunOptions,
    on_result: Callable[[Result, Path], None] | None = None,
) -> list[Result]:
    """Runs several specs, with as many children in parallel as there are cores.

    Args:
        specs: the runs.
        options: how to carry them out.
        on_result: called with result and directory of each run as soon as it is compared.

    Returns:
        One result per spec, in their order.

    Raises:
        InputError: a spec, its data, the bundle or the folder cannot be used.
        KeyboardInterrupt: the user interrupted it; the children are stopped, and every run has its
            result.json.
    """
    children = options.children
    children.check_interpreters()
    programs = [of_run(spec) if isinstance(spec, RunSpec) else spec for spec in specs]
    data = [data_record(program) for program in programs]
    comparison = partial(_compared, against=options.against)
    pairs = [
        Pair(program, directory, options, comparison, sources)
        for program, directory, sources in zip(
            programs, _directories(specs, options.out), data, strict=True
        )
    ]
    jobs = _prepare(pairs)
    try:
        _run_pairs(pairs, jobs, options, on_result)
    except BaseException as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        for pair in pairs:
            if pair.result is None and pair.directory.exists():
                pair.finish(None, reason)
        raise
    results = [pair.result for pair in pairs]
    assert all(results)
    return [result for result in results if result is not None]


def _compared(spec: ProgramSpec, folder: RunFolder, against: Recorded | None) -> Result:
    from parity.runs.pair import compared  # slow, and not needed before

    return compared(spec, folder, against)


def _prepare(pairs: Sequence[Pair]) -> dict[ChildJob, Pair]:
    """Writes the files for the children, for all pairs or for none.

    Returns:
        The jobs in the order in which they begin: the Keras half of the next pair before a torch
        half, which may wait for its own.
    """
    try:
        halves = [(pair, pair.prepare()) for pair in pairs]
    except BaseException:
        for pair in pairs:
            shutil.rmtree(pair.directory, ignore_errors=True)
        raise
    places = [
        (number + 1.5 * part, number, part)
        for number, (_, jobs) in enumerate(halves)
        for part in range(len(jobs))
    ]
    return {halves[n][1][part]: halves[n][0] for _, n, part in sorted(places)}


def _run_pairs(
    pairs: Sequence[Pair],
    jobs: dict[ChildJob, Pair],
    options: RunOptions,
    on_result: Callable[[Result, Path], None] | None,
) -> None:
    """Runs all children, and compares each pair when its own have ended."""
    waiting = {id(pair): sum(owner is pair for owner in jobs.values()) for pair in pairs}

    def finish(job: ChildJob, failure: Failure | None, display: ProgressDisplay) -> None:
        def tell(result: Result, directory: Path) -> None:
            if on_result is not None:
                with display.paused():
                    on_result(result, directory)

        pair = jobs[job]
        waiting[id(pair)] -= 1
        if failure is not None:
            pair.fail(failure)
        if waiting[id(pair)]:
            return
        try:
            levels = None if pair.failures else pair.compare()
        except RunError as error:  # a damaged trace must not lose the other runs
            _finish(pair, None, tell, str(error))
        else:
            _finish(pair, levels, tell)

    run_shown(list(jobs), options.children, finish)


def _finish(
    pair: Pair,
    levels: tuple[Level, ...] | None,
    on_result: Callable[[Result, Path], None] | None,
    *errors: str,
) -> None:
    result = pair.finish(levels, *errors)
    if on_result is not None:
        on_result(result, pair.directory)


def _directories(specs: Sequence[RunSpec | ProgramSpec], out: Path) -> list[Path]:
    """Makes the directory of each run, or none; no other process can have one of them."""
    names = [f"{spec.name}-seed{spec.seed}" for spec in specs]
    if len(set(names)) < len(names):
        names = [f"{number:03d}-{name}" for number, name in enumerate(names)]
    made: list[Path] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            (out / name).mkdir()
            made.append(out / name)
    except OSError as error:
        for path in made:
            path.rmdir()
        if len(made) < len(names) and (place := out / names[len(made)]).exists():
            do = "name another folder with --out, or remove it"
            raise InputError(f"{place} exists: {do}") from None
        raise unwritten(f"--out {out}:", error) from error
    return made
