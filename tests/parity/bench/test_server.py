"""The child's end of the talk: when it works, what is on the clock, and when it ends."""

import io
import json
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from rows import each_row

from parity.bench.server import BenchServer, NoMoreRounds, peak_memory_mb


class Child:
    """A server whose parent has said everything beforehand."""

    def __init__(self, *words):
        self.replies = io.StringIO()
        self.server = BenchServer(self.replies, io.StringIO("".join(f"{word}\n" for word in words)))

    def answers(self):
        return [json.loads(line) for line in self.replies.getvalue().splitlines()]


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def go(seconds):
        now[0] += seconds

    return go


def test_a_round_is_timed_from_its_beginning_to_its_end(clock):
    child = Child("round", "round")
    child.server.ready({"threads": 2}, lambda: None, lambda: 12.5)
    for seconds in (2.0, 0.5):
        clock(1000.0)  # before a round nothing is on the clock
        child.server.begin()
        clock(seconds)
        child.server.end(64)
    assert child.answers() == [
        {"ready": True, "environment": {"threads": 2}},
        {"seconds": 2.0, "samples": 64, "peak_memory_mb": 12.5},
        {"seconds": 0.5, "samples": 64, "peak_memory_mb": 12.5},
    ]


def test_the_device_is_waited_for_before_the_clock_starts_and_before_it_stops(clock):
    """What was queued before the round is not its work; what it queued is, to the end."""
    child, order = Child("round"), []

    def synchronise():
        order.append("wait")
        clock(7.0)

    child.server.ready({}, synchronise)
    child.server.begin()
    order.append("work")
    child.server.end(1)
    assert order == ["wait", "work", "wait"]
    assert child.answers()[1]["seconds"] == 7.0


def test_an_evaluation_is_not_on_the_clock(clock):
    child = Child("evaluate", "round", "evaluate", "round")
    child.server.ready({}, lambda: None, lambda: None)

    def evaluate():
        clock(1000.0)
        return np.float32(0.75)

    for _ in range(2):
        child.server.begin(evaluate)
        clock(3.0)
        child.server.end(64)
    round_ = {"seconds": 3.0, "samples": 64, "peak_memory_mb": None}
    assert child.answers()[1:] == [{"accuracy": 0.75}, round_] * 2


@each_row("words", [["end"], [], ["stop"], ["end", "round"], [""]], ids=repr)
def test_the_end_of_the_talk_ends_the_loop(words):
    child = Child(*words)
    child.server.ready({}, lambda: None)
    with pytest.raises(NoMoreRounds):
        child.server.begin(lambda: 0.5)
    assert len(child.answers()) == 1


def test_the_memory_is_that_of_the_process_where_no_device_tells_it():
    child = Child("round")
    child.server.ready({}, lambda: None)
    child.server.begin()
    child.server.end(1)
    assert child.answers()[1]["peak_memory_mb"] == pytest.approx(peak_memory_mb(), abs=50)


def test_the_peak_of_the_memory_counts_what_is_free_again():
    array = np.ones(8 * 2**20)  # 64 MB
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held_mb = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    del array
    assert 64 < held_mb <= peak_memory_mb() + 1


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_the_system_tells_the_memory_in_units_of_its_own(monkeypatch, platform):
    usage = type("Usage", (), {"ru_maxrss": 3 * 2**20})
    monkeypatch.setattr(resource, "getrusage", lambda who: usage)
    monkeypatch.setattr("sys.platform", platform)
    assert peak_memory_mb() == (3.0 if platform == "darwin" else 3072.0)
