"""Two processes that do the same work in turns, each with a package of its own.

A turn of one is compared with the next turn of the other. A round starts both anew, since one
process is a few per cent faster than its twin. What is compared is the time of the processor, which
other work on the machine changes least.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TURN_S = 0.01  # the least that is timed at once
Work = Mapping[str, Callable[[], object]]


def serve(about: object, work: Work) -> None:
    """Times what it is asked for, until it is asked for nothing."""
    repeats = {}
    for name, task in work.items():
        task()
        started = time.process_time()
        task()
        repeats[name] = max(1, round(TURN_S / max(time.process_time() - started, 1e-6)))
    print(json.dumps([about, list(work)]), flush=True)
    for line in sys.stdin:
        name = line.strip()
        started = time.process_time()
        for _ in range(repeats[name]):
            work[name]()
        print((time.process_time() - started) / repeats[name], flush=True)


class Worker:
    """A process that serves.

    Args:
        package: folder with the packages that it imports.
        command: arguments of this interpreter.
        variables: of its environment, beside those of this process.

    Attributes:
        about: what it tells of itself.
        names: of its work.
    """

    def __init__(
        self, package: Path, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> None:
        own = {"PYTHONPATH": str(package), "PYTHONSAFEPATH": "1", **(variables or {})}
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.about, self.names = json.loads(self._read())

    def _read(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a process ended with exit code {self.process.wait()}")
        return line

    def seconds(self, name: str) -> float:
        """Returns how long one call takes."""
        print(name, file=self.process.stdin, flush=True)
        return float(self._read())

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def speeds(
    start: Mapping[str, Callable[[], Worker]], rounds: int, turns: int
) -> dict[str, list[float]]:
    """Returns how fast the first of two kinds of workers is, as shares of the speed of the second.

    Args:
        start: what starts each.
        rounds: of new processes.
        turns: in each round, of each piece of work that both have.

    Returns:
        A share for each turn, by the name of the work.
    """
    found: dict[str, list[float]] = {}
    first, second = start
    for number in range(rounds):
        order = (first, second)[:: 1 if number % 2 else -1]
        workers = {name: start[name]() for name in order}
        for task in workers[first].names:
            for _ in range(turns if task in workers[second].names else 0):
                taken = {name: workers[name].seconds(task) for name in order}
                found.setdefault(task, []).append(taken[second] / taken[first])
        for worker in workers.values():
            worker.close()
    return found


def told(name: str, shares: Sequence[float]) -> str:
    """Returns median and quartiles of shares as a line."""
    low, middle, high = statistics.quantiles(shares, n=4)
    return f"{name:<22} {middle:6.1%} of the speed (quartiles {low:.1%} to {high:.1%})"
