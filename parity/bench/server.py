"""BenchServer: the child's end of a benchmark; it takes commands and reports times.

The parent writes one word a line to the child's standard input. The child answers with one JSON
object a line on a pipe of its own, because frameworks write to standard output:

    round       -> {"seconds": 0.31, "samples": 2048}     one round of work
    evaluate    -> {"accuracy": 0.97}                     on the validation samples
    end, or the end of the input                          the child ends

In the place of its environment, a child may say why its variant does not apply.

The program calls `begin` at the start of a round and `end` at its end. Keras owns the loop of
`fit`, so the Keras half calls both from a callback.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import IO, Any


class NoMoreRounds(Exception):
    """The parent wants no more rounds; ends the loop of the program."""


class NotApplicable(Exception):
    """A variant changes nothing of a program, or cannot be made of it; the text says why."""


class BenchServer:
    """The child's end of the connection; `BenchClient` is the parent's.

    Args:
        replies: pipe to the parent.
        commands: commands from the parent.
    """

    def __init__(self, replies: IO[str], commands: IO[str] = sys.stdin) -> None:
        self._replies, self._commands = replies, commands
        self._synchronise: Callable[[], Any] = lambda: None
        self._memory: Callable[[], float | None] = peak_memory_mb
        self._started = 0.0

    def ready(
        self,
        environment: dict[str, Any],
        synchronise: Callable[[], Any],
        memory: Callable[[], float | None] | None = None,
    ) -> None:
        """Reports that everything is built.

        Args:
            environment: what the process runs on.
            synchronise: waits for the device, so that a round ends together with its work.
            memory: returns the greatest memory of the device so far, in MB. None = the memory of
                the process is reported.
        """
        self._synchronise, self._memory = synchronise, memory or peak_memory_mb
        self._send({"ready": True, "environment": environment})

    def skip(self, reason: str) -> None:
        """Reports why the variant does not apply, in the place of `ready`."""
        self._send({"skipped": reason})

    def begin(self, evaluate: Callable[[], float] | None = None) -> None:
        """Waits for the next round and starts the clock; answers other commands until then.

        Args:
            evaluate: returns the accuracy on the validation samples.

        Raises:
            NoMoreRounds: the parent wants no more rounds.
        """
        for line in self._commands:
            command = line.strip()
            if command == "round":
                self._synchronise()
                self._started = time.perf_counter()
                return
            if command == "evaluate" and evaluate is not None:
                self._send({"accuracy": float(evaluate())})
            else:
                break
        raise NoMoreRounds

    def end(self, samples: int) -> None:
        """Stops the clock and reports the time."""
        self._synchronise()
        seconds = time.perf_counter() - self._started
        self._send({"seconds": seconds, "samples": samples, "peak_memory_mb": self._memory()})

    def _send(self, answer: dict[str, Any]) -> None:
        self._replies.write(json.dumps(answer) + "\n")
        self._replies.flush()


def peak_memory_mb() -> float:
    """Returns the greatest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
