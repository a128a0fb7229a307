"""BenchClient: the parent's connection to one child that is timed.

The child starts, reports that it is ready, and works when it is asked to. Between its turns it
waits, so that other children are timed on a quiet machine. `BenchServer` is the child's end.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from parity.bench.child import TASK, BenchTask, ProgramBenchTask
from parity.errors import RunError
from parity.files.json_io import write_json
from parity.halves import process
from parity.halves.job import ChildJob
from parity.halves.log import explain, read_tail
from parity.traces.folder import RunFolder

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
