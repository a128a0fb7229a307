"""Rounds of one cell: the variants take turns, each in a process of its own.

A round starts a process for every variant and lets it work until its speed is steady. Then the
variants take turns, A B C A B C A B C, so that a machine that slows down slows all of them; a
variant that is not timed waits. The value of a round is the median of its turns. The next round
starts new processes, because the memory layout of a process makes all its turns some per cent
faster or slower, and more turns cannot show that. A child that fails makes a row with the reason,
and the other variants go on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.bench.child import BenchTask, ProgramBenchTask
from parity.bench.client import BenchClient, Round, Skipped
from parity.bench.result import FAILED, OK, SKIPPED, Row
from parity.errors import RunError
from parity.programs.bench_spec import BenchSpec
from parity.programs.variants import half_of

TURNS = 3  # of each variant in a round
STEADY = 0.1  # speed is steady if two turns differ by less than this share
MAX_WARMUP = 6  # turns before the first one that counts
MAX_TRAINED = 50  # turns; after them an accuracy counts as never reached
Say = Callable[[str], Any]


@dataclass(frozen=True)
class Cell:
    """One cell of a benchmark: tasks that are compared with each other.

    Attributes:
        spec: number of rounds, and the accuracy to reach.
        tasks: tasks of the cell.
        folder: for the files of the children.
        pythons: interpreter by half.
        timeout_s: limit for one answer of a child; None = no limit.
        say: called with a line of progress.
    """

    spec: BenchSpec
    tasks: Sequence[BenchTask | ProgramBenchTask]
    folder: Path
    pythons: dict[str, str]
    timeout_s: float | None
    say: Say

    def start(self, number: int, turn: int, ends: ExitStack) -> BenchClient:
        """Starts the child of a task for a round; `ends` closes it."""
        task = self.tasks[number]
        half = half_of(task.variant)
        place = self.folder / f"{number:02d}-{turn:02d}"
        client = BenchClient(task, half, self.pythons[half], place, self.timeout_s)
        ends.callback(client.close)
        return client


def in_turns(rows: list[Row], cell: Cell) -> dict[int, int]:
    """Times all variants of a cell in turns.

    Args:
        rows: a row without values for each task; they are filled here. One that is not "ok" stays
            as it is.
        cell: what is timed.

    Returns:
        The number of samples in a turn, by the number of the row.
    """
    samples: dict[int, int] = {}
    for turn in range(cell.spec.rounds):
        cell.say(f"round {turn + 1} of {cell.spec.rounds}")
        goal = cell.spec.accuracy if turn == 0 and cell.tasks[0].part == "train" else None
        open_: dict[int, _Open] = {}
        with ExitStack() as ends:
            for number, task in enumerate(cell.tasks):
                if rows[number].status != OK:
                    continue
                if turn == 0:  # which may compile
                    name = f"{task.variant} {task.precision}"
                    cell.say(f"{task.part} {rows[number].batch_size} {name}: warming up")
                with _noted(rows, number, open_):
                    client = cell.start(number, turn, ends)
                    open_[number] = child = _Open(client, goal)
                    environment = client.ready()
                    child.warm_up()
                    if turn == 0:
                        warmup_s = time.perf_counter() - client.started
                        rows[number] = replace(
                            rows[number], environment=environment, warmup_s=warmup_s
                        )
            _take_turns(rows, open_, samples)
            for number, child in list(open_.items()):
                with _noted(rows, number, open_):
                    child.train_on()
                    rows[number] = _with_round(rows[number], child, turn)
    return samples


def _take_turns(rows: list[Row], open_: dict[int, _Open], samples: dict[int, int]) -> None:
    for _ in range(TURNS):
        for number, child in list(open_.items()):
            with _noted(rows, number, open_):
                answer = child.work()
                if samples.setdefault(number, answer.samples) != answer.samples:
                    raise RunError(
                        f"its rounds are not the same work: {samples[number]} samples, then "
                        f"{answer.samples}"
                    )
                child.speeds.append(answer.samples / answer.seconds)


def _with_round(row: Row, child: _Open, turn: int) -> Row:
    memory = [mb for mb in (row.peak_memory_mb, child.peak_memory_mb) if mb is not None]
    return replace(
        row,
        values=(*row.values, statistics.median(child.speeds)),
        peak_memory_mb=max(memory, default=None),
        seconds_to_accuracy=child.reached if turn == 0 else row.seconds_to_accuracy,
    )


class _Open:
    """A child that works in a round.

    Args:
        client: connection to the child.
        goal: accuracy to which the time is measured, or None.

    Attributes:
        speeds: samples a second in the turns that count.
        reached: seconds of training until the goal was reached; None before that.
        peak_memory_mb: memory that the child reported last.
    """

    def __init__(self, client: BenchClient, goal: float | None) -> None:
        self.client, self._goal = client, goal
        self.speeds: list[float] = []
        self.reached: float | None = None
        self.peak_memory_mb: float | None = None
        self._trained: list[float] = []

    def work(self) -> Round:
        """Runs one turn. Its accuracy is evaluated off the clock.

        Turns of the warm-up train too, so they count towards the time to an accuracy.
        """
        answer = self.client.round()
        self._trained.append(answer.seconds)
        self.peak_memory_mb = answer.peak_memory_mb
        if self._goal is not None and self.reached is None and self.client.accuracy() >= self._goal:
            self.reached = sum(self._trained)
        return answer

    def warm_up(self) -> None:
        """Works until two turns take about the same time; the first ones may compile."""
        last = None
        for _ in range(MAX_WARMUP):
            seconds = self.work().seconds
            if last is not None and abs(seconds - last) <= STEADY * last:
                return
            last = seconds

    def train_on(self) -> None:
        """Works until the goal is reached or given up; these turns are not in the speeds."""
        while self._goal is not None and self.reached is None and len(self._trained) < MAX_TRAINED:
            self.work()


@contextmanager
def _noted(rows: list[Row], number: int, open_: dict[int, _Open]) -> Iterator[None]:
    """Turns the failure of one child into a row with the reason; the others go on."""
    try:
        yield
    except RunError as error:
        rows[number] = replace(
            rows[number],
            status=SKIPPED if isinstance(error, Skipped) else FAILED,
            reason=str(error),
            values=(),
            seconds_to_accuracy=None,
        )
        if number in open_:
            open_.pop(number).client.close()


def startup(rows: list[Row], cell: Cell) -> dict[int, int]:
    """Times from the start of a process to the end of its first step; see `in_turns`."""
    samples: dict[int, int] = {}
    for turn in range(cell.spec.rounds):
        cell.say(f"startup, round {turn + 1} of {cell.spec.rounds}")
        for number in range(len(rows)):
            if rows[number].status != OK:
                continue
            with _noted(rows, number, {}), ExitStack() as ends:
                client = cell.start(number, turn, ends)
                environment = client.ready()
                answer = client.round()
                seconds = time.perf_counter() - client.started
                samples[number] = answer.samples
                rows[number] = replace(
                    rows[number],
                    values=(*rows[number].values, seconds),
                    environment=environment,
                    peak_memory_mb=answer.peak_memory_mb,
                )
    return samples
