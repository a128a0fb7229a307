"""Conversation: the parent's end of the talk with one child that is timed.

A child is started, says that it is ready, and works when it is told to; between its turns it waits,
so that others can be timed on a quiet machine.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from parity import child_process
from parity.bench.child import TASK, BenchTask
from parity.child_log import read_tail
from parity.errors import RunError
from parity.trace import write_json

GRACE_S = 5.0
LAST_LINES = 3  # of the log, in the reason of a failure


class Conversation:
    """A child and the pipe on which it answers.

    Args:
        task: what it times.
        half: "keras" or "torch".
        python: its interpreter.
        directory: for its files; made here.
        timeout_s: that one answer may take.
    """

    def __init__(
        self, task: BenchTask, half: str, python: str, directory: Path, timeout_s: float
    ) -> None:
        self.task, self._timeout_s = task, timeout_s
        directory.mkdir(parents=True)
        write_json(directory / TASK, task.to_dict())
        self._log = directory / "log.txt"
        receiver, sender = os.pipe()
        self.started = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", f"{half}_impl", "--bench", os.fspath(directory), str(sender)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(task, python),
                pass_fds=(sender,),
                start_new_session=True,
                text=True,
            )
        os.close(sender)
        self._receiver, self._buffer = receiver, b""

    def ready(self) -> dict[str, Any]:
        """Waits until the child has built everything; returns its environment."""
        environment: dict[str, Any] = self._answer()["environment"]
        return environment

    def round(self) -> dict[str, Any]:
        """Lets the child work for a round; returns seconds, samples and memory."""
        self._say("round")
        return self._answer()

    def accuracy(self) -> float:
        """Asks for the accuracy on the validation samples."""
        self._say("evaluate")
        return float(self._answer()["accuracy"])

    def close(self) -> None:
        """Ends the child, and what it may have left behind."""
        with suppress(OSError):
            self._say("end")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        os.close(self._receiver)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the missing answer tells why
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        deadline = time.monotonic() + self._timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._receiver], [], [], left)[0]:
                raise RunError(
                    f"no answer within {self._timeout_s:g} s; give it more time (--timeout), or "
                    "less to do"
                )
            part = os.read(self._receiver, 65536)
            if not part:
                self._process.wait()
                raise RunError(self._why())
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _why(self) -> str:
        """Why the child ended: the last lines of what it wrote."""
        lines = [line.strip() for line in read_tail(self._log, 0).splitlines() if line.strip()]
        said = " ".join(lines[-LAST_LINES:]) or "it wrote nothing"
        code = self._process.returncode
        return f"ended with exit code {code}: {said.removeprefix('keras half: ')}"


def _environment(task: BenchTask, python: str) -> dict[str, str]:
    backend = "torch" if task.variant == "keras-torch" else "tensorflow"
    threads = str(task.spec.threads)
    return child_process.environment(python, is_alone=True) | {
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
