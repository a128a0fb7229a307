"""run: one spec, or many, through both halves and up the ladder.

    spec -> data -> children (keras, torch, perturbed keras) -> traces -> ladder -> Result

All children of all specs share one pool, so that the cores stay busy; every run is compared as soon
as its own children have finished.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from parity.errors import InputError, RunError
from parity.job import Failure, Job
from parity.pair import Comparison, Pair, RunOptions
from parity.programs.run_spec import RunSpec
from parity.progress import ProgressDisplay
from parity.result import Result
from parity.runner import check_interpreters, run_jobs
from parity.search import search


def run(spec: RunSpec, *, out: Path | str, perturbations: int | None = None) -> Result:
    """Trains a spec in both frameworks and compares the two runs.

    Args:
        spec: the run.
        out: folder for the run directory; made if it is missing.
        perturbations: perturbed runs of the reference; None = as `RunOptions` says.

    Returns:
        The result; a half that failed is a result with verdict "error".

    Raises:
        InputError: the spec, the data or the folder cannot be used.
    """
    return run_all([spec], RunOptions(out=Path(out), perturbations=perturbations))[0]


def run_all(
    specs: Sequence[RunSpec],
    options: RunOptions,
    on_result: Callable[[Result, Path], None] | None = None,
) -> list[Result]:
    """Runs several specs, their children side by side as far as the cores carry.

    Args:
        specs: the runs.
        options: how to carry them out.
        on_result: called with result and directory of every run as soon as it is compared.

    Returns:
        One result for each spec, in their order.

    Raises:
        InputError: a spec, its data or the folder cannot be used.
        KeyboardInterrupt: the user ended it; children are gone, and every run has its result.json.
    """
    check_interpreters(keras=options.keras_python, torch=options.torch_python)
    pairs = [Pair(spec, directory, options) for spec, directory in _directories(specs, options)]
    jobs = _prepare(pairs)
    try:
        undecided = _run_first(pairs, jobs, options, on_result)
        workers = _workers(options)
        for pair, comparison in undecided:
            try:
                found = search(pair, comparison, lambda more: _run(more, options), workers=workers)
            except RunError as error:  # here too, the other pairs go on
                _finish(pair, None, on_result, str(error))
            else:
                _finish(pair, found, on_result)
    except BaseException as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        for pair in pairs:
            if pair.result is None and pair.directory.exists():
                pair.finish(None, reason)
        raise
    results = [pair.result for pair in pairs]
    assert all(results)
    return [result for result in results if result is not None]


def _prepare(pairs: Sequence[Pair]) -> dict[Job, Pair]:
    """Writes what the children need, for all pairs or for none."""
    try:
        return {job: pair for pair in pairs for job in pair.prepare()}
    except BaseException:
        for pair in pairs:
            shutil.rmtree(pair.directory, ignore_errors=True)
        raise


def _run_first(
    pairs: Sequence[Pair],
    jobs: dict[Job, Pair],
    options: RunOptions,
    on_result: Callable[[Result, Path], None] | None,
) -> list[tuple[Pair, Comparison]]:
    """Runs all children; returns the pairs for which more perturbed runs must decide."""
    waiting = {id(pair): sum(owner is pair for owner in jobs.values()) for pair in pairs}
    undecided: list[tuple[Pair, Comparison]] = []

    def tell(result: Result, directory: Path) -> None:
        if on_result is not None:
            with display.paused():
                on_result(result, directory)

    def finish(job: Job, failure: Failure | None) -> None:
        display.on_done(job, failure)
        pair = jobs[job]
        waiting[id(pair)] -= 1
        if failure is not None:
            pair.failures.append(failure)
        if waiting[id(pair)]:
            return
        try:
            comparison = None if pair.failures else pair.compare()
        except RunError as error:  # one damaged trace is no reason to lose the other runs
            _finish(pair, None, tell, str(error))
            return
        if comparison is not None and comparison.suspect is not None:
            undecided.append((pair, comparison))
        else:
            _finish(pair, comparison, tell)

    with ProgressDisplay(list(jobs), quiet=options.quiet) as display:
        run_jobs(
            list(jobs),
            workers=_workers(options),
            timeout_s=options.timeout_s,
            on_progress=display.on_progress,
            on_done=finish,
        )
    return undecided


def _run(jobs: Sequence[Job], options: RunOptions) -> list[Failure]:
    with ProgressDisplay(jobs, quiet=options.quiet) as display:
        return run_jobs(
            jobs,
            workers=_workers(options),
            timeout_s=options.timeout_s,
            on_progress=display.on_progress,
            on_done=display.on_done,
        )


def _finish(
    pair: Pair,
    comparison: Comparison | None,
    on_result: Callable[[Result, Path], None] | None,
    *errors: str,
) -> None:
    result = pair.finish(None if pair.failures else comparison, *errors)
    if on_result is not None:
        on_result(result, pair.directory)


def _workers(options: RunOptions) -> int:
    return options.workers or os.cpu_count() or 1


def _directories(specs: Sequence[RunSpec], options: RunOptions) -> list[tuple[RunSpec, Path]]:
    names = [f"{spec.scenario}-seed{spec.seed}" for spec in specs]
    if len(set(names)) < len(names):
        names = [f"{number:03d}-{name}" for number, name in enumerate(names)]
    paths = [options.out / name for name in names]
    for path in paths:
        if path.exists():
            raise InputError(f"{path} exists: name another folder with --out, or remove it")
    return list(zip(specs, paths, strict=True))
