"""Reads the results of a command from a folder, as far as possible.

In: a folder or a result file, possibly damaged, half-written or from somebody else. Out: the
results, and a sentence for everything that is missing. It is an error only if there is no result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.behaviour.diagnosis import SCHEMA as DIAGNOSIS_SCHEMA
from parity.behaviour.diagnosis import Diagnosis
from parity.behaviour.result_file import diagnosis_from
from parity.bench.result import SCHEMA as BENCH_SCHEMA
from parity.bench.result import BenchResult
from parity.bench.result_file import bench_from
from parity.errors import InputError, ParityError
from parity.files.json_io import read_strict
from parity.ladder.result import ALL_RESULTS, ERROR, SCHEMA, Result
from parity.ladder.result_file import read_result, result_from, results_from
from parity.programs.halves import HALVES
from parity.programs.scenario_spec import program_spec_from
from parity.report.sentences import is_check
from parity.sweeps.result import SCHEMA as SWEEP_SCHEMA
from parity.sweeps.result import SweepResult
from parity.sweeps.result_file import sweep_from
from parity.sweeps.unfinished import PLAN, is_superseded, sweep_of_store
from parity.traces.folder import BENCH, DIAGNOSIS, RESULT, SUCCESS, SWEEP, RunFolder
from parity.traces.trace import Trace

if TYPE_CHECKING:
    from parity.report.found import AnyResult

MAX_BYTES = 100_000_000  # of a result file; a run of 10,000 epochs needs some 2e7
LOG_LINES = 40
_UNFINISHED = (
    "has not finished; the report shows its finished runs, and the same command continues it"
)


@dataclass(frozen=True)
class FoundRun:
    """One run, or one check.

    Attributes:
        folder: folder of the run; None if there is only a result file.
        result: result of the comparison; one with verdict "error" if there was no comparison.
        keras: trace of the whole training of the reference, or None; a check has none.
        torch: trace of that of the port, or None.
        logs: end of the log of each failed child, by file name.
        problems: missing or damaged parts, a sentence each.
    """

    folder: Path | None
    result: Result
    keras: Trace | None = None
    torch: Trace | None = None
    logs: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def is_check(self) -> bool:
        """Whether it compares a few batches, and not a whole training."""
        return is_check(self.result)


@dataclass(frozen=True)
class FoundRuns:
    """The runs of one command.

    Attributes:
        folder: folder that contains their folders; None if there is only a result file.
        runs: the runs, in the order of their names.
        problems: as for a run.
    """

    folder: Path | None
    runs: tuple[FoundRun, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundResult:
    """A sweep, a benchmark or a diagnosis.

    Attributes:
        result: result from its file; for a sweep without a file, from its finished runs.
        problems: as for a run.
        folder: folder of the command; None if there is only a result file.
    """

    result: SweepResult | BenchResult | Diagnosis
    problems: tuple[str, ...] = ()
    folder: Path | None = None


Found = FoundRun | FoundRuns | FoundResult


def find(path: Path, known: Mapping[Path, AnyResult] | None = None) -> Found:
    """Returns the results in a folder or a result file.

    Args:
        path: path of the folder or the file.
        known: results that need not be read, by the folder of their files.

    Raises:
        InputError: there is no result of any command.
    """
    try:
        if path.is_dir():
            return _of_folder(path, known or {})
        if path.is_file():
            return _of_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    raise InputError(
        f"{path}: there is no such file or folder; expected the folder of --out or file of --json"
    )


def _of_folder(folder: Path, known: Mapping[Path, AnyResult]) -> Found:
    result = known.get(folder)
    if result is not None and not isinstance(result, Result):
        return FoundResult(result, folder=folder)
    for name in (BENCH, DIAGNOSIS):
        if (folder / name).is_file():
            return _of_file(folder / name)
    if (folder / SWEEP).is_file() or (folder / "results").is_dir():
        return _sweep(folder)
    if _is_run(folder):
        return read_run(folder, known.get(folder))
    children = sorted(child for child in folder.iterdir() if child.is_dir())
    runs = [child for child in children if _is_run(child)]
    if runs:
        found = tuple(read_run(child, known.get(child)) for child in runs)
        return found[0] if len(found) == 1 else FoundRuns(folder, found)
    raise InputError(
        f"{folder}: contains no results of parity; expected the folder of --out, with result.json, "
        "sweep.json, bench.json, diagnosis.json or folders of runs"
    )


def _is_run(folder: Path) -> bool:
    """Whether a folder belongs to a run, with or without a comparison."""
    return RunFolder(folder).result.is_file() or RunFolder(folder).was_started


def _of_file(path: Path) -> Found:
    value = _read(path)
    schema = str(value.get("schema"))
    if schema == SCHEMA:
        return FoundRun(None, result_from(value, str(path)))
    if schema == ALL_RESULTS:
        runs = tuple(FoundRun(None, result) for result in results_from(value, str(path)))
        return FoundRuns(None, runs)
    readers: dict[str, Callable[[Any, str], SweepResult | BenchResult | Diagnosis]] = {
        SWEEP_SCHEMA: sweep_from,
        BENCH_SCHEMA: bench_from,
        DIAGNOSIS_SCHEMA: diagnosis_from,
    }
    if schema not in readers:
        raise InputError(
            f"{path}: schema is {schema[:60]!r}; expected a result of parity, such as "
            f"{SCHEMA!r}; name the folder of --out or the file of --json"
        )
    return FoundResult(readers[schema](value, path.name))


def _sweep(folder: Path) -> FoundResult:
    path = folder / SWEEP
    if path.is_file():
        try:
            value = _read(path)
        except ParityError as error:
            problem = str(error)
        else:
            result = sweep_from(value, path.name)
            if not is_superseded(result, folder):
                return FoundResult(result, folder=folder)
            problem = f"{SWEEP} is of an earlier sweep: that of {PLAN} {_UNFINISHED}"
    else:
        problem = f"{SWEEP} is missing: the sweep {_UNFINISHED}"
    try:
        sweep, damaged = sweep_of_store(folder)
    except InputError as error:
        raise InputError(f"{problem}; {error}") from error
    return FoundResult(sweep, (problem, *damaged), folder)


def read_run(folder: Path, known: AnyResult | None = None) -> FoundRun:
    """Returns the results in the folder of one run or one check.

    Args:
        folder: folder of the run.
        known: its result, if it need not be read.
    """
    problems: list[str] = []
    result = known if isinstance(known, Result) else None
    place = RunFolder(folder)
    if result is None and place.result.is_file():
        try:
            result = read_result(place.result)
        except ParityError as error:
            problems.append(_within(folder, str(error)))
    elif result is None:
        problems.append(f"{RESULT} is missing: the run has not finished; run it again")
    is_trained = result is None or not is_check(result)
    traces: dict[str, Trace | None] = {"keras": None, "torch": None}
    for half in traces if is_trained else ():
        training = place.half(half).training
        if training.is_complete:
            try:
                traces[half] = Trace(training.path)
            except ParityError as error:
                problems.append(_within(folder, str(error)))
        elif result is None or result.verdict != ERROR:
            name = (training.path / SUCCESS).relative_to(folder)
            problems.append(f"{name} is missing: the training of this half has not finished")
    if result is None:
        if not place.was_started:
            raise InputError("; ".join(problems))
        result = _unfinished(folder, traces, problems)
    is_broken = result.verdict == ERROR
    return FoundRun(
        folder,
        result,
        traces["keras"],
        traces["torch"],
        _logs(folder) if is_broken else {},
        tuple(problems),
    )


def _unfinished(folder: Path, traces: dict[str, Trace | None], problems: Sequence[str]) -> Result:
    """Returns a result with verdict "error" for a run that has none."""
    spec: dict[str, Any] = {}
    for half in HALVES:
        with suppress(ParityError, OSError):
            spec = program_spec_from(_read(RunFolder(folder).half(half).spec)).told()
            break
    else:
        raise InputError(f"{folder}: neither half has a readable spec.json; run it again")
    return Result(
        ERROR,
        spec,
        history={half: trace.history for half, trace in traces.items() if trace is not None},
        environment={half: trace.environment for half, trace in traces.items() if trace},
        errors=tuple(problems),
    )


def _logs(folder: Path) -> dict[str, str]:
    """Returns the last lines of each log; reads only the end, since logs may be large."""
    logs = {}
    for path in RunFolder(folder).logs():
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 50_000))
            text = file.read().decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if not re.match(r"progress \S+ \d+/\d+ ", line)]
        if any(line.strip() for line in lines):
            logs[path.name] = "\n".join(lines[-LOG_LINES:])
    return logs


def _within(folder: Path, text: str) -> str:
    """Returns a message without the path of the folder, which readers of the report do not need."""
    return text.replace(f"{folder}/", "").replace(str(folder), folder.name)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        value = read_strict(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read ({error}); expected a file from --out or --json; run the "
            "command again"
        ) from error
    return value


def problems_of(runs: Sequence[FoundRun]) -> tuple[str, ...]:
    """Returns the problems of several runs, each with the name of its folder."""
    return tuple(
        f"{run.folder.name}: {problem}" if run.folder else problem
        for run in runs
        for problem in run.problems
    )
