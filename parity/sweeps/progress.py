"""SweepDisplay: shows the progress of a sweep: finished, running and failed tasks, time left.

It draws one bar on a terminal, and writes a line for every tenth elsewhere.
"""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from parity.files.log_text import log_line
from parity.halves.progress import draws, rich_bars
from parity.sweeps.sweep import SweepListener


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
