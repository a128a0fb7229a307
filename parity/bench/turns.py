"""Turns: how a child is told when to work, and tells how long it took.

The parent writes a word a line to the child's standard input, the child answers a JSON object a
line on a pipe of its own, since frameworks write to standard output as they like:

    round       -> {"seconds": 0.31, "samples": 2048}     one round of work
    evaluate    -> {"accuracy": 0.97}                     on the validation samples
    end, or the end of the input                          the child ends

The program calls `begin` where a round begins and `end` where it ends: Keras does so from a
callback of `fit`, whose loop it is.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import IO, Any


class NoMoreTurns(Exception):
    """The parent has no more rounds; ends the loop of the program."""


class Turns:
    """The child's end of the conversation.

    Args:
        replies: pipe to the parent.
        commands: from the parent.
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
        """Says that everything is built.

        Args:
            environment: what the process runs on.
            synchronise: waits for the device, so that a round ends when its work has.
            memory: greatest memory of the device so far, in MB; None for that of the process.
        """
        self._synchronise, self._memory = synchronise, memory or peak_memory_mb
        self._send({"ready": True, "environment": environment})

    def begin(self, evaluate: Callable[[], float] | None = None) -> None:
        """Waits for the next round, answering other questions meanwhile, and starts the clock.

        Args:
            evaluate: returns the accuracy on the validation samples.

        Raises:
            NoMoreTurns: there is none.
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
        raise NoMoreTurns

    def end(self, samples: int) -> None:
        """Stops the clock and tells the time."""
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
