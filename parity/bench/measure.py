"""measure: the cells of a benchmark, each variant in a process of its own, in turns.

A round starts a process of every variant and lets each work until it is steady. Then they take
turns, so that a machine that gets slower does so for all of them: A B C A B C A B C; whoever is not
timed waits. The value of a round is the median of its turns. The next round has new processes: by
where its memory happens to lie, all turns of a process are faster or slower by some per cent, which
no number of turns would show. A child that fails makes a row that says why; the others go on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.bench.child import BenchTask
from parity.bench.conversation import Conversation, Round
from parity.bench.result import FAILED, IMAGES_PER_S, OK, REFUSED, SECONDS, Row
from parity.data import run_data
from parity.data_file import save_data
from parity.errors import RunError
from parity.programs.bench_spec import BenchSpec
from parity.programs.scenarios import scenario
from parity.programs.variants import VARIANTS
from parity.traces.folder import RunFolder

TURNS = 3  # of each variant in a round
STEADY = 0.1  # two turns that differ by less than this share of them are steady
MAX_WARMUP = 6  # turns before the first that counts
MAX_TRAINED = 50  # turns, after which an accuracy counts as never reached
Say = Callable[[str], Any]


def measure(
    spec: BenchSpec,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
    on_rows: Callable[[list[Row]], Any] = lambda rows: None,
) -> list[Row]:
    """Times every variant in every cell.

    Args:
        spec: what.
        folder: for the files of the children.
        pythons: interpreter by half.
        timeout_s: that one answer of a child may take; None = no limit.
        say: told what is going on.
        on_rows: given all rows so far after every cell.

    Returns:
        A row for each part, batch size, precision and variant, without ratios; one that could not
        be measured says why.
    """
    rows: list[Row] = []
    for part in spec.parts:
        for batch_size in spec.batch_sizes:
            cell = folder / f"{part}-{batch_size}"
            cell.mkdir(parents=True)
            run = spec.run_spec(batch_size)
            if part == "augment" and run.augmentation is None:
                run = run.replace(augmentation=scenario("augmentation").augmentation)
            save_data(run_data(run), RunFolder(cell).data)
            # All precisions take turns: one may be compared with another.
            tasks = [
                BenchTask(part, variant, precision, run)
                for precision in spec.precisions
                for variant in spec.variants
            ]
            if spec.across_precision and "fp32" not in spec.precisions:
                tasks.insert(0, BenchTask(part, spec.baseline, "fp32", run))
            timer = _startup if part == "startup" else _in_turns
            found, samples = timer(spec, tasks, cell, pythons, timeout_s, say)
            rows += _of_the_same_work(found, samples, spec.baseline)
            on_rows(list(rows))
    return rows


def numbered(names: Sequence[str]) -> list[str]:
    """Returns names of which each stands once: "torch", "torch#2"."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return found


def _blank(tasks: Sequence[BenchTask]) -> list[Row]:
    """A row for each task, nothing measured yet."""
    names = numbered([f"{task.variant} {task.precision}" for task in tasks])
    return [
        Row(
            part=task.part,
            variant=task.variant + name.partition(" ")[2].removeprefix(task.precision),
            batch_size=task.spec.batch_size,
            precision=task.precision,
            unit=SECONDS if task.part == "startup" else IMAGES_PER_S,
        )
        for task, name in zip(tasks, names, strict=True)
    ]


def _of_the_same_work(rows: Sequence[Row], samples: dict[int, int], baseline: str) -> list[Row]:
    """Refuses rows whose rounds have other samples than those of the baseline of the cell.

    Args:
        rows: of one cell.
        samples: of a turn, by the number of the row.
        baseline: its variant; the first row that was measured stands in for one that failed.
    """
    measured = [number for number, row in enumerate(rows) if row.status == OK]
    if not measured:
        return list(rows)
    first = next((number for number in measured if rows[number].variant == baseline), measured[0])
    found = list(rows)
    for number in measured:
        if samples[number] != samples[first]:
            reason = (
                f"not the same work: its rounds have {samples[number]} samples, those of "
                f"{rows[first].variant} {samples[first]}"
            )
            found[number] = replace(rows[number], status=REFUSED, reason=reason)
    return found


def _in_turns(
    spec: BenchSpec,
    tasks: Sequence[BenchTask],
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
) -> tuple[list[Row], dict[int, int]]:
    """Rounds of all variants in turns; returns their rows, and the samples of a turn."""
    rows = _blank(tasks)
    samples: dict[int, int] = {}
    for turn in range(spec.rounds):
        say(f"round {turn + 1} of {spec.rounds}")
        goal = spec.accuracy if turn == 0 and tasks[0].part == "train" else None
        open_: dict[int, _Open] = {}
        with ExitStack() as ends:
            for number, task in enumerate(tasks):
                if rows[number].status == FAILED:
                    continue
                if turn == 0:  # which may compile
                    name = f"{task.variant} {task.precision}"
                    say(f"{task.part} {task.spec.batch_size} {name}: warming up")
                half = VARIANTS[task.variant].half
                with _noted(rows, number, open_):
                    place = folder / f"{number:02d}-{turn:02d}"
                    talk = Conversation(task, half, pythons[half], place, timeout_s)
                    ends.callback(talk.close)
                    open_[number] = child = _Open(talk, goal)
                    environment = talk.ready()
                    child.warm_up()
                    if turn == 0:
                        warmup_s = time.perf_counter() - talk.started
                        rows[number] = replace(
                            rows[number], environment=environment, warmup_s=warmup_s
                        )
            _take_turns(rows, open_, samples)
            for number, child in list(open_.items()):
                with _noted(rows, number, open_):
                    child.train_on()
                    rows[number] = _with_round(rows[number], child, turn)
    return rows, samples


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
    """A child that is at work in a round.

    Args:
        talk: to it.
        goal: accuracy to which the time is taken, or None.

    Attributes:
        speeds: samples a second of the turns that count.
        reached: seconds of training until it was as good as the goal; None before.
        peak_memory_mb: what it told last.
    """

    def __init__(self, talk: Conversation, goal: float | None) -> None:
        self.talk, self._goal = talk, goal
        self.speeds: list[float] = []
        self.reached: float | None = None
        self.peak_memory_mb: float | None = None
        self._trained: list[float] = []

    def work(self) -> Round:
        """One turn; outside of the clock the variant is asked how well it does by now.

        Turns of the warm-up train too, so that they count for the time to an accuracy.
        """
        answer = self.talk.round()
        self._trained.append(answer.seconds)
        self.peak_memory_mb = answer.peak_memory_mb
        if self._goal is not None and self.reached is None and self.talk.accuracy() >= self._goal:
            self.reached = sum(self._trained)
        return answer

    def warm_up(self) -> None:
        """Works until two turns take about as long; the first ones may compile."""
        last = None
        for _ in range(MAX_WARMUP):
            seconds = self.work().seconds
            if last is not None and abs(seconds - last) <= STEADY * last:
                return
            last = seconds

    def train_on(self) -> None:
        """Works until it has reached the goal, or for long enough; nothing of it is a speed."""
        while self._goal is not None and self.reached is None and len(self._trained) < MAX_TRAINED:
            self.work()


@contextmanager
def _noted(rows: list[Row], number: int, open_: dict[int, _Open]) -> Iterator[None]:
    """Makes the failure of one child a row that says why; the others go on."""
    try:
        yield
    except RunError as error:
        rows[number] = replace(
            rows[number],
            status=FAILED,
            reason=str(error),
            values=(),
            seconds_to_accuracy=None,
        )
        if number in open_:
            open_.pop(number).talk.close()


def _startup(
    spec: BenchSpec,
    tasks: Sequence[BenchTask],
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
) -> tuple[list[Row], dict[int, int]]:
    """From the start of a process to the end of its first step, a new process each round."""
    rows = _blank(tasks)
    samples: dict[int, int] = {}
    for turn in range(spec.rounds):
        say(f"startup, round {turn + 1} of {spec.rounds}")
        for number, task in enumerate(tasks):
            if rows[number].status == FAILED:
                continue
            half = VARIANTS[task.variant].half
            place = folder / f"{number:02d}-{turn:02d}"
            with _noted(rows, number, {}), ExitStack() as end:
                talk = Conversation(task, half, pythons[half], place, timeout_s)
                end.callback(talk.close)
                environment = talk.ready()
                answer = talk.round()
                seconds = time.perf_counter() - talk.started
                samples[number] = answer.samples
                rows[number] = replace(
                    rows[number],
                    values=(*rows[number].values, seconds),
                    environment=environment,
                    peak_memory_mb=answer.peak_memory_mb,
                )
    return rows, samples


def accuracies(
    task: BenchTask, num: int, folder: Path, python: str, timeout_s: float | None
) -> list[float]:
    """Trains a variant from several seeds; returns its accuracies on the validation samples.

    Args:
        task: of the part "accuracy".
        num: of seeds, from that of the spec on.
        folder: for the files of the child; made here.
        python: its interpreter.
        timeout_s: that one training may take; None = no limit.

    Raises:
        InputError, RunError: it cannot be trained.
    """
    folder.mkdir(parents=True)
    save_data(run_data(task.spec), RunFolder(folder).data)
    half = VARIANTS[task.variant].half
    talk = Conversation(task, half, python, folder / "child", timeout_s)
    try:
        talk.ready()
        found = []
        for _ in range(num):
            talk.round()
            found.append(talk.accuracy())
        return found
    finally:
        talk.close()
