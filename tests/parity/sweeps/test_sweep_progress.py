"""What a user sees of a sweep: a bar on a terminal, lines elsewhere, nothing when quiet."""

import io
import re

import pytest
from helpers import Terminal
from rows import each_row

from parity.sweeps import sweep
from parity.sweeps.sweep import SweepDisplay


@pytest.fixture(autouse=True)
def _environment(plain_terminal):
    """Rich decides by the environment what a terminal is."""


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [100.0]
    monkeypatch.setattr(sweep.time, "monotonic", lambda: now[0])
    return now


def shown(stream, clock, total=40, before=0, quiet=False):
    """What is shown of a sweep of which the second task fails."""
    display = SweepDisplay(quiet=quiet, stream=stream)
    display.on_start(total, before)
    for done in range(1, total - before + 1):
        clock[0] += 1
        if done == 2:
            display.on_failure("too_small seed [1] keras", "it [red]broke[/]\nlog\nlog")
        failed = int(done >= 2)
        display.on_change(before + done - failed, min(2, total - before - done), failed)
    display.on_end()
    return stream.getvalue()


def test_lines_for_every_tenth(clock):
    assert shown(io.StringIO(), clock).splitlines() == [
        "40 runs, 0 finished before",
        "failed: too_small seed [1] keras: it [red]broke[/]",
        "3 finished, 2 running, 1 failed, 36 s left",
        "7 finished, 2 running, 1 failed, 32 s left",
        "11 finished, 2 running, 1 failed, 28 s left",
        "15 finished, 2 running, 1 failed, 24 s left",
        "19 finished, 2 running, 1 failed, 20 s left",
        "23 finished, 2 running, 1 failed, 16 s left",
        "27 finished, 2 running, 1 failed, 12 s left",
        "31 finished, 2 running, 1 failed, 8 s left",
        "35 finished, 2 running, 1 failed, 4 s left",
        "39 finished, 0 running, 1 failed, 0 s left",
    ]


def test_only_what_is_run_now_counts_for_the_time_left(clock):
    stream = io.StringIO()
    display = SweepDisplay(quiet=False, stream=stream)
    display.on_start(100, 90)
    clock[0] += 60
    display.on_change(91, 2, 0)
    assert stream.getvalue().splitlines() == [
        "100 runs, 90 finished before",
        "91 finished, 2 running, 0 failed, 9 min left",
    ]


@each_row("kind", [io.StringIO, Terminal])
def test_quiet_shows_nothing(kind, clock):
    assert shown(kind(), clock, quiet=True) == ""


def test_a_bar_on_a_terminal(clock):
    drawn = shown(Terminal(), clock, before=20)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    for part in (
        "failed: too_small seed [1] keras: it [red]broke[/]\n",
        "50 %",
        "39 finished, 0 running, 1 failed",
    ):
        assert part in text
    assert "log" not in text
    # The cursor comes back, also of a sweep that is interrupted.
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
