"""The child's end of the talk: when it works, what is on the clock, and when it ends."""

import io
import json
import os
import resource
import time
from functools import partial
from pathlib import Path
from unittest.mock import Mock, call

import numpy as np
import pytest
from rows import each_row

from parity.bench.server import BenchServer, NoMoreRounds, peak_memory_mb


class Child:
    """A server that is ready, and whose parent has said everything beforehand."""

    def __init__(self, *words, synchronise=lambda: None, memory=lambda: 12.5):
        self.replies = io.StringIO()
        self.server = BenchServer(self.replies, io.StringIO("".join(f"{word}\n" for word in words)))
        self.server.ready({"threads": 2}, synchronise, memory)

    def work(self, what, evaluate=None):
        """Makes a round in which something happens."""
        self.server.begin(evaluate)
        what()
        self.server.end(64)

    def answers(self):
        return [json.loads(line) for line in self.replies.getvalue().splitlines()]


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""
    times = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: sum(times))
    return times.append


def test_a_round_is_timed_from_its_beginning_to_its_end(clock):
    child = Child("round", "round")
    for seconds in (2.0, 0.5):
        clock(1000.0)  # before a round nothing is on the clock
        child.work(partial(clock, seconds))
    assert child.answers() == [
        {"ready": True, "environment": {"threads": 2}},
        {"seconds": 2.0, "samples": 64, "peak_memory_mb": 12.5},
        {"seconds": 0.5, "samples": 64, "peak_memory_mb": 12.5},
    ]


def test_the_device_is_waited_for_before_the_clock_starts_and_before_it_stops(clock):
    """What was queued before the round is not its work; what it queued is, to the end."""
    device = Mock()
    device.wait.side_effect = lambda: clock(7.0)
    child = Child("round", synchronise=device.wait)
    child.work(device.work)
    assert device.mock_calls == [call.wait(), call.work(), call.wait()]
    assert child.answers()[1]["seconds"] == 7.0


def test_an_evaluation_is_not_on_the_clock(clock):
    child = Child("evaluate", "round", "evaluate", "round")

    def evaluate():
        clock(1000.0)
        return np.float32(0.75)

    for _ in range(2):
        child.work(partial(clock, 3.0), evaluate)
    round_ = {"seconds": 3.0, "samples": 64, "peak_memory_mb": 12.5}
    assert child.answers()[1:] == [{"accuracy": 0.75}, round_] * 2


@each_row("words", [["end"], [], ["stop"], ["end", "round"], [""]], ids=repr)
def test_the_end_of_the_talk_ends_the_loop(words):
    child = Child(*words)
    with pytest.raises(NoMoreRounds):
        child.server.begin(lambda: 0.5)
    assert len(child.answers()) == 1


def test_the_memory_is_that_of_the_process_where_no_device_tells_it():
    child = Child("round", memory=None)
    child.work(lambda: None)
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
