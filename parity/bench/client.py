"""BenchClient: the parent's connection to one child that is timed, and the rounds of a cell."""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from parity.bench.result import FAILED, OK, SKIPPED, Row
from parity.bench.server import TASK, BenchTask, ProgramBenchTask
from parity.errors import RunError
from parity.files.json_io import write_json
from parity.halves import process
from parity.halves.job import ChildJob
from parity.halves.process import explain, read_tail
from parity.programs.bench_spec import BenchSpec, half_of
from parity.traces.folder import RunFolder

# --- BackgroundLoad: the share of the CPU that other processes used while a benchmark ran ---------
#
# Two threads that wait for each other stand still while one of them has no core. A busy machine
# therefore slows some variants more than others, and makes all figures worthless. Only Linux
# reports which process used the CPU; elsewhere the share is unknown.


STAT = Path("/proc/stat")


class BackgroundLoad:
    """Counts from the moment at which it is created."""

    def __init__(self) -> None:
        self._before = _counted()

    def share(self) -> float | None:
        """Returns the share of the time of all cores that other processes used, in [0, 1].

        The time of this process and of its children that have ended does not count. On a virtual
        machine, time that the host took away does count. Returns None where the system does not
        report these times.
        """
        now = _counted()
        if self._before is None or now is None:
            return None
        total, busy, ours = (b - a for a, b in zip(self._before, now, strict=True))
        return min(max(busy - ours, 0.0) / total, 1.0) if total > 0 else None


def _counted() -> tuple[float, float, float] | None:
    """CPU seconds: total, busy, and used by this process and its children."""
    try:
        first = STAT.read_text(encoding="ascii").splitlines()[0].split()
        # user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5); guests are in user.
        values = [int(value) / os.sysconf("SC_CLK_TCK") for value in first[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    if first[0] != "cpu" or len(values) < 8:
        return None
    ours = sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    return sum(values), sum(values) - values[3] - values[4], ours


# --- BenchClient: the parent's connection to one child that is timed ------------------------------
#
# The child starts, reports that it is ready, and works when it is asked to. Between its turns it
# waits, so that other children are timed on a quiet machine. `BenchServer` is the child's end.


GRACE_S = 5.0  # for a child to end by itself
POLL_S = 0.5  # seconds between two checks whether a silent child is alive
MAX_ANSWER = 1_000_000  # bytes of a line; a usual one has a few thousand
LAST_LINES = 3  # log lines shown if a child ended early with exit code 0
SHOWN = 100  # characters shown of a wrong answer


class Skipped(RunError):
    """The variant does not apply to the program; the text says why."""


@dataclass(frozen=True)
class Round:
    """What a child reports of one round.

    Attributes:
        seconds: duration of the round.
        samples: number of samples processed.
        peak_memory_mb: greatest memory so far of the process or its device; None if unknown.
    """

    seconds: float
    samples: int
    peak_memory_mb: float | None


class BenchClient:
    """A child and the pipe on which it answers.

    Args:
        task: what the child times.
        half: "keras" or "torch".
        python: interpreter of the child.
        directory: for its files; created here.
        timeout_s: limit for one answer; None = no limit.

    Raises:
        RunError: the child cannot be started; nothing of it is left running.
    """

    def __init__(
        self,
        task: BenchTask | ProgramBenchTask,
        half: str,
        python: str,
        directory: Path,
        timeout_s: float | None,
    ) -> None:
        self.task, self._timeout_s = task, timeout_s
        directory.mkdir(parents=True)
        write_json(directory / TASK, task.to_dict())
        log_file = RunFolder(directory).log(half)
        self._job = ChildJob(
            name=task.variant,
            half=half,
            work="bench",
            python=python,
            directories=(directory,),
            log=log_file,
        )
        self._buffer, self._grace_s, self._is_closed = b"", GRACE_S, False
        self._receiver, sender = os.pipe()
        self.started = time.perf_counter()
        try:
            with log_file.open("wb") as log:
                self._process = subprocess.Popen(
                    [*self._job.arguments, str(sender)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=_environment(task, python),
                    pass_fds=(sender,),
                    start_new_session=True,
                    text=True,
                )
        except BaseException as error:
            os.close(self._receiver)
            if isinstance(error, OSError):
                raise RunError(
                    f"cannot be started ({error}); check the interpreter {python!r} "
                    f"(--{half}-python)"
                ) from error
            raise
        finally:
            os.close(sender)  # the child has its own

    def ready(self) -> dict[str, Any]:
        """Waits until the child has built everything, and returns its environment.

        Raises:
            RunError: the child ended, hangs or sends a wrong answer. All methods but `close` raise
                this error.
            Skipped: its variant does not apply to the program.
        """
        answer = self._answer()
        if isinstance(reason := answer.get("skipped"), str):
            raise Skipped(reason)
        environment = answer.get("environment")
        if not isinstance(environment, dict):
            raise _wrong(answer, "its environment")
        return environment

    def round(self) -> Round:
        """Makes the child work for one round."""
        self._say("round")
        answer = self._answer()
        seconds, samples = answer.get("seconds"), answer.get("samples")
        memory = answer.get("peak_memory_mb")
        # A speed is computed from these; a NaN would spoil the rows of all other variants.
        if not (_is_number(seconds) and seconds > 0):
            raise _wrong(answer, "seconds above 0")
        if not (_is_number(samples) and isinstance(samples, int) and samples > 0):
            raise _wrong(answer, "samples, at least one")
        if not (memory is None or (_is_number(memory) and memory >= 0)):
            raise _wrong(answer, "a memory of at least 0 MB")
        return Round(float(seconds), samples, memory)

    def accuracy(self) -> float:
        """Returns the accuracy on the validation samples."""
        self._say("evaluate")
        answer = self._answer()
        accuracy = answer.get("accuracy")
        if not (_is_number(accuracy) and 0 <= accuracy <= 1):
            raise _wrong(answer, "an accuracy in [0, 1]")
        return float(accuracy)

    def close(self) -> None:
        """Ends the child and all processes that it has started. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with suppress(OSError):
                self._write("end")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._grace_s)
        finally:  # also if the user interrupts the wait
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # a process may hang inside the kernel
                self._process.wait(GRACE_S)
            os.close(self._receiver)
            if self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()

    def _say(self, word: str) -> None:
        if select.select([self._receiver], [], [], 0)[0]:  # after its end, nothing is read
            self._buffer += os.read(self._receiver, 65536)
        if self._buffer:  # it would be taken for the answer to this command
            raise RunError("it sent more answers than requests; its times cannot be assigned")
        with suppress(BrokenPipeError):  # the missing answer gives the reason
            self._write(word)

    def _write(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        line = self._line()
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):  # ValueError: no JSON, or no UTF-8
            answer = None
        if not isinstance(answer, dict):
            raise _wrong(line.decode("utf-8", "replace"), "a JSON object")
        return answer

    def _line(self) -> bytes:
        started = time.monotonic()
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_ANSWER:
                self._grace_s = 0.0  # it writes and does not listen
                raise RunError(f"its answer has more than {MAX_ANSWER:,} bytes, and goes on")
            # Checked before the pipe is read, so that its last answer is not lost.
            has_ended = self._process.poll() is not None
            left = math.inf
            if self._timeout_s is not None:
                left = started + self._timeout_s - time.monotonic()
            wait_s = 0.0 if has_ended else max(0.0, min(left, POLL_S))
            if select.select([self._receiver], [], [], wait_s)[0]:
                part = os.read(self._receiver, 65536)
                if not part:
                    raise RunError(self._why())
                self._buffer += part
            elif has_ended:  # a process that it started still holds the pipe
                raise RunError(self._why())
            elif left <= 0:
                self._grace_s = 0.0  # it does not listen
                raise RunError(
                    f"no answer within {self._timeout_s:g} s; give it more time (--timeout), or "
                    "less to do"
                )
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _why(self) -> str:
        """Why the child no longer answers."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._grace_s)
        code = self._process.returncode
        text = read_tail(self._job.log, 0)
        if code is None:
            self._grace_s = 0.0
            return "closed the pipe on which it answers, but did not end"
        if code == 0:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            said = " ".join(lines[-LAST_LINES:]) or "it wrote nothing"
            return f"ended with exit code 0 before its work was done: {said}"
        # The log is deleted before the user reads this.
        return explain(self._job, code, text).removesuffix("; look at the log")


def _is_number(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _wrong(answer: Any, expected: str) -> RunError:
    shown = answer if isinstance(answer, str) else repr(answer)
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
    return RunError(f"it answered {shown!r}; expected {expected}")


def _environment(task: BenchTask | ProgramBenchTask, python: str) -> dict[str, str]:
    threads, device = str(task.spec.threads), task.spec.device
    variables = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if task.variant == "keras-torch":
        variables["KERAS_BACKEND"] = "torch"
        # Keras on torch takes the first GPU that it sees, whichever one was asked for.
        visible = "" if device == "cpu" else device.partition(":")[2] or "0"
        variables["CUDA_VISIBLE_DEVICES"] = visible
    return process.environment(python, is_alone=True) | variables


# --- Rounds of one cell: the variants take turns, each in a process of its own --------------------
#
# A round starts a process for every variant and lets it work until its speed is steady. Then the
# variants take turns, A B C A B C A B C, so that a machine that slows down slows all of them; a
# variant that is not timed waits. The value of a round is the median of its turns. The next round
# starts new processes, because the memory layout of a process makes all its turns some per cent
# faster or slower, and more turns cannot show that. A child that fails makes a row with the reason,
# and the other variants go on.


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
