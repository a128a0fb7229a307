"""run_sweep: scenarios × seeds × halves, as tasks that are run once and never again."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from parity.errors import RunError
from parity.files.atomic import remove_dead
from parity.files.log_text import log_line
from parity.halves.progress import draws, rich_bars
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps.local import EngineOptions
from parity.sweeps.rows import Row, Sweep
from parity.sweeps.store import Store, open_store
from parity.sweeps.stored_run import UNLIKE_FED, StoredRun, run_of, unlike_fed
from parity.sweeps.task import Task, distinct, planned

# --- run_sweep: scenarios × seeds × halves, as tasks that are run once and never again ------------
#
#     specs -> tasks -> those that the store lacks -> batches -> engine -> store -> rows
#
# A sweep that was interrupted or killed continues when it is started again. A damaged record is set
# aside, and its task run again.


# Large enough that starting a framework costs little, small enough that the last batch ends soon.
MAX_BATCH = 16
BATCHES_A_WORKER = 3

Engine = Callable[[Sequence[Sequence[Task]], EngineOptions, Any], None]


class SweepListener:
    """Receives the progress of a sweep; this one ignores it."""

    def on_start(self, total: int, finished: int) -> None:
        """Called at the start, with the number of tasks and of those that had finished before."""

    def on_change(self, finished: int, running: int, failed: int) -> None:
        """Called with the numbers of tasks, including those that had finished before."""

    def on_damaged(self, name: str, reason: str) -> None:
        """Called before the start for a task that runs again, since its record is damaged."""

    def on_failure(self, name: str, reason: str) -> None:
        """Called when a task has failed."""

    def on_end(self) -> None:
        """Called when nothing runs any more."""


def run_sweep(
    specs: Sequence[RunSpec | ProgramSpec],
    options: EngineOptions,
    engine: Engine,
    listener: SweepListener | None = None,
    halves: Sequence[str] = HALVES,
) -> Sweep:
    """Runs what is not finished yet, and reads all results.

    Args:
        specs: the runs.
        options: how the engine runs them.
        engine: `run` of `parity.sweeps.local` or of `parity.sweeps.ray_cluster`.
        listener: receives the progress.
        halves: halves that run.

    Raises:
        InputError: the store, a data source or an interpreter cannot be used.
        KeyboardInterrupt: the user ended it; what has finished is in the store.
    """
    listener = listener or SweepListener()
    store = open_store(options.store)
    runs = planned(specs, options.children.pythons, halves)
    tasks = distinct(runs)
    found = _finished(tasks, store, listener)
    pending = [task for task in tasks if task.key not in found]
    names = {task.key: task.name for task in pending}
    batches = list(batches_of(pending, options.children.num_workers))
    before, reasons = len(tasks) - len(pending), dict[str, str]()
    done = [0] * len(batches)
    total_done = 0

    def change(number: int, num_done: int, failures: Mapping[str, str]) -> None:
        nonlocal total_done
        total_done += num_done - done[number]
        done[number] = num_done
        for key, reason in failures.items():
            reasons[key] = reason
            listener.on_failure(names[key], reason)
        running = min(options.children.num_workers, len(pending) - total_done)
        listener.on_change(before + total_done - len(reasons), running, len(reasons))

    listener.on_start(len(tasks), before)
    try:
        if batches:
            engine(batches, options, change)
        elif options.scratch is not None:
            remove_dead(options.scratch)
    finally:
        listener.on_end()
    for task in pending:
        if task.key in store:
            try:
                found[task.key] = run_of(task, store)
            except RunError as error:
                reasons[task.key] = str(error)
    return _read(runs, found, reasons, len(pending) - len(reasons))


def _finished(tasks: Sequence[Task], store: Store, listener: SweepListener) -> dict[str, StoredRun]:
    """Returns the runs that have finished before, by key; sets damaged records aside."""
    found, finished = dict[str, StoredRun](), store.finished()
    for task in tasks:
        if task.key in finished:
            try:
                found[task.key] = run_of(task, store)
            except RunError as error:
                store.set_aside(task.key)
                listener.on_damaged(task.name, str(error))
    return found


def batches_of(tasks: Sequence[Task], workers: int) -> Iterator[list[Task]]:
    """Deals tasks into batches of about the same cost, long tasks first.

    The tasks of a batch share what a process settles once: half, device and threads; and they are
    of one program, or of scenarios. A program has few seeds as a rule, hence few batches: as many
    as workers.
    """

    def group(task: Task) -> tuple[str, str, int, str]:
        program = task.spec.name if isinstance(task.spec, ProgramSpec) else ""
        return task.half, task.spec.device, task.spec.threads, program

    for _, members in itertools.groupby(sorted(tasks, key=group), key=group):
        ordered = sorted(members, key=lambda task: -task.cost)
        least = 1 if isinstance(ordered[0].spec, RunSpec) else -(-len(ordered) // workers)
        size = min(MAX_BATCH, max(least, len(ordered) // (BATCHES_A_WORKER * workers)))
        count = -(-len(ordered) // size)
        yield from (ordered[number::count] for number in range(count))


def _read(
    planned: Sequence[Task],
    found: Mapping[str, StoredRun],
    reasons: Mapping[str, str],
    num_run: int,
) -> Sweep:
    sweep = Sweep(num_run=num_run)
    places = {(task.spec.name, task.spec.seed, task.half): task.key for task in planned}
    runs = {place: found[key] for place, key in places.items() if key in found}
    reasons = {**reasons, **{places[place]: UNLIKE_FED for place in unlike_fed(runs)}}
    for task in planned:
        spec = task.spec
        if task.key in found and task.key not in reasons:
            run = found[task.key]
            row = Row(spec.name, spec.seed, task.half, run.judgement, run.wall_s, task.key)
            sweep.rows.append(row)
        else:
            reason = reasons.get(task.key, "it was not run")
            where = {"scenario": spec.name, "seed": spec.seed, "half": task.half}
            sweep.failures.append({**where, "reason": reason})
    return sweep


def finished_rows(
    specs: Sequence[RunSpec | ProgramSpec],
    store: Store,
    pythons: Mapping[str, str],
    halves: Sequence[str] = HALVES,
) -> list[Row]:
    """Returns the rows of the runs that are finished, and runs nothing.

    Raises:
        RunError: the record of a run is damaged.
    """
    runs, finished = planned(specs, pythons, halves), store.finished()
    found = {task.key: run_of(task, store) for task in distinct(runs) if task.key in finished}
    return _read(runs, found, {}, 0).rows


# --------------------------------------------------------------------------------------------------
#
# SweepDisplay: shows the progress of a sweep: finished, running and failed tasks, time left.
#
# It draws one bar on a terminal, and writes a line for every tenth elsewhere.


class SweepDisplay(SweepListener):
    """Shows the progress of a sweep.

    Args:
        quiet: show nothing; failures are in the result.
        stream: output; standard error by default, because standard output is for results.
    """

    def __init__(self, *, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._total = self._before = self._tenths = 0
        self._started_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def on_start(self, total: int, finished: int) -> None:
        """See SweepListener."""
        self._total, self._before = total, finished
        self._started_s = time.monotonic()
        if self._quiet or finished == total:
            return
        if draws(self._stream):
            self._bar, self._task = _bar(self._stream, total, finished)
            self._bar.start()
        else:
            self._write(f"{total} runs, {finished} finished before")

    def on_change(self, finished: int, running: int, failed: int) -> None:
        """See SweepListener."""
        if self._quiet:
            return
        left = self._left(finished + failed)
        detail = f"{finished} finished, {running} running, {failed} failed{left}"
        if self._bar is not None:
            self._bar.update(self._task, completed=finished + failed, detail=detail)
            return
        tenths = 10 * (finished + failed - self._before) // max(1, self._total - self._before)
        if tenths > self._tenths:
            self._tenths = tenths
            self._write(detail)

    def on_damaged(self, name: str, reason: str) -> None:
        """See SweepListener; said even if it is quiet, since it is no progress."""
        self._write(f"runs again: {name}: {reason.partition(chr(10))[0]}")

    def on_failure(self, name: str, reason: str) -> None:
        """See SweepListener."""
        if self._quiet:
            return
        line = log_line(f"failed: {name}: {reason.partition(chr(10))[0]}")
        if self._bar is not None:
            self._bar.console.print(line, style="red", markup=False, highlight=False)
        else:
            self._write(line)

    def on_end(self) -> None:
        """See SweepListener."""
        if self._bar is not None:
            self._bar.stop()

    def _left(self, done: int) -> str:
        """Estimates the time left from the tasks that this sweep has done."""
        now = done - self._before
        if now <= 0:
            return ""
        seconds = (time.monotonic() - self._started_s) / now * (self._total - done)
        return f", {seconds:.0f} s left" if seconds < 90 else f", {seconds / 60:.0f} min left"

    def _write(self, line: str) -> None:
        self._stream.write(log_line(line) + "\n")
        self._stream.flush()


def _bar(stream: TextIO, total: int, finished: int) -> tuple[Any, Any]:
    from rich.progress import BarColumn, TextColumn

    bar = rich_bars(
        stream,
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %", markup=False),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    return bar, bar.add_task("sweep", total=total, completed=finished, detail="starting")
