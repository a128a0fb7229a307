"""Lines of progress: short, few, each one write, and the moment to see whether the parent lives."""

import os
import re
import time

import pytest

from parity.halves import protocol


def test_progress_is_limited_by_time_and_the_last_step_is_printed(capfd, monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    report = protocol.ProgressLines("name of run")
    for step in range(1, 1001):
        report(step, 1000, 2.0 / step)
        now_s += 0.001
    steps = re.findall(
        r"^progress name of run (\d+)/1000 loss=[\d.]+$", capfd.readouterr().out, re.M
    )
    assert len(steps) == 6
    assert (steps[0], steps[-1]) == ("1", "1000")


@pytest.mark.parametrize(
    ("loss", "text"), [(float("nan"), "nan"), (1e30, "1e+30"), (2.302585, "2.3026")]
)
def test_progress_of_any_loss_is_short(capfd, loss, text):
    protocol.ProgressLines("a")(1, 1, loss)
    assert capfd.readouterr().out == f"progress a 1/1 loss={text}\n"


def test_the_parent_is_looked_at_even_when_nothing_is_printed(monkeypatch):
    report = protocol.ProgressLines("a")
    report(1, 9, 1.0)
    monkeypatch.setattr(os, "getppid", lambda: 1 - os.getpid())
    with pytest.raises(SystemExit, match="the parent process is gone"):
        report(2, 9, 1.0)
