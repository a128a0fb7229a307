"""Waits: torch's threads wait for each other by spinning, or on a busy machine by sleep.

A thread that has done its share of a loop spins until the others have done theirs. That is fastest
while each has a core. When other programs need the cores, it spins in the place of the thread that
it waits for. libgomp, the OpenMP of torch's wheels for Linux, decides at each wait: it spins about
300 times less often, then sleeps, if the process has more OpenMP threads than cores (`do_spin` of
gcc's libgomp/config/linux/wait.h, 4.4 and later). So a second team of threads that does nothing
makes all others sleep, for as long as it lives. No setting changes, no bit of a result, and no
other thread is needed for the work.

`adapted` does some steps each way now and then, and goes on the faster way.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # of libgomp, which reads them when it is loaded
WINDOW_S = 0.05  # the least time of a window, in which steps are made one way
WINDOW_STEPS = 4  # the least number of its steps
PAIRS = 2  # of windows, one each way, in a trial
PLAIN = 1.5  # ratio of the times of two ways that ends a trial after its first pair
GAIN = 0.95  # share of the time of a step below which the other way is faster: less is noise
FIRST_S = 0.25  # until the first trial
LONGEST_S = 8.0  # between two trials, unless they are slow
SHARE = 20  # the least time between two trials, in times of the last one
TEAMS = 3  # the most that sleep; a process with more free cores than that needs none
_GRAIN = 32768  # torch gives a thread at least so many numbers (at::internal::GRAIN_SIZE)


def teams_needed(threads: int, cores: int) -> int:
    """Returns how many teams more give a process more OpenMP threads than it has cores.

    Args:
        threads: of a team, its master among them.
        cores: that the process may use.

    Returns:
        0 if a team has one thread, which waits for nobody, or if there are cores enough.
    """
    needed = -(-cores // (threads - 1)) - 1 if threads > 1 else 0
    return needed if needed <= TEAMS else 0


class SleepingTeams:
    """Teams of OpenMP threads that do nothing.

    Args:
        number: of teams.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._end = threading.Event()
        self._masters: list[threading.Thread] = []

    def start(self) -> None:
        """Starts them, if they do not live yet."""
        if self._masters:
            return
        self._end.clear()
        barrier = threading.Barrier(self._number + 1)

        def master() -> None:
            torch.zeros(_GRAIN * torch.get_num_threads()).add_(1.0)
            barrier.wait()
            self._end.wait()

        for _ in range(self._number):
            self._masters.append(threading.Thread(target=master, daemon=True))
            self._masters[-1].start()
        barrier.wait()

    def stop(self) -> None:
        """Ends them."""
        self._end.set()
        while self._masters:
            self._masters.pop().join()


class Chooser:
    """Chooses between two ways to make steps by their times.

    Attributes:
        way: False or True, in which the next step is to be made.
        chosen: the way that was faster at last.
    """

    def __init__(self) -> None:
        self.way = self.chosen = False
        self._windows: dict[bool, list[float]] = {}  # seconds a step by way; empty between trials
        self._steps: list[float] | None = None  # None: the first step of a way counts for neither
        self._rest_s = self._wait_s = FIRST_S  # until the next trial; the time after which it comes
        self._spent_s = 0.0  # by the trial

    def stepped(self, seconds: float) -> bool:
        """Takes the time of a step; returns the way in which the next one is to be made."""
        if not self._windows:
            self._rest_s -= min(seconds, FIRST_S)  # a longer one is no step alone
            if self._rest_s <= 0:
                self._windows, self._steps, self._spent_s = {False: [], True: []}, None, 0.0
        elif self._steps is None:
            self._steps = []
        else:
            self._steps.append(seconds)
            if len(self._steps) >= WINDOW_STEPS and sum(self._steps) >= WINDOW_S:
                self._close_window(sorted(self._steps)[:-1])
        return self.way

    def _close_window(self, steps: list[float]) -> None:
        """Takes all but the slowest step: a validation came between, or the thread lost a core."""
        self._windows[self.way].append(statistics.fmean(steps))
        self._spent_s += sum(steps)
        self._steps, self.way = None, not self.way
        here, there = (self._windows[way] for way in (self.chosen, not self.chosen))
        if len(here) != len(there):
            return
        ratio = statistics.fmean(there) / statistics.fmean(here)
        if len(here) == PAIRS or not 1 / PLAIN < ratio < PLAIN:
            self._windows = {}
            has_lost = ratio < GAIN
            self._wait_s = FIRST_S if has_lost else min(2 * self._wait_s, LONGEST_S)
            self._rest_s = max(self._wait_s, SHARE * self._spent_s)
            self.way = self.chosen = self.chosen ^ has_lost


_active = threading.local()  # a training inside a training changes nothing


@contextmanager
def adapted() -> Iterator[None]:
    """Chooses by measuring, between the steps of optimizers inside, how torch's threads wait.

    It does nothing where torch has one thread, on another system than Linux, for parameters that
    are not on the CPU, and where a variable of the environment chooses how threads wait. At its end
    everything is as it was before.
    """
    is_open = sys.platform == "linux" and not any(name in os.environ for name in VARIABLES)
    number = 0
    if is_open:
        number = teams_needed(torch.get_num_threads(), len(os.sched_getaffinity(0)))
    if not number or getattr(_active, "is_on", False):
        yield
        return
    teams, chooser = SleepingTeams(number), Chooser()
    thread, last = threading.get_ident(), time.perf_counter()

    def after(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        nonlocal last
        if threading.get_ident() != thread or not _is_on_cpu(optimizer):
            return
        now = time.perf_counter()
        if chooser.stepped(now - last):
            teams.start()
        else:
            teams.stop()
        last = time.perf_counter()

    hook = register_optimizer_step_post_hook(after)
    _active.is_on = True
    try:
        yield
    finally:
        _active.is_on = False
        hook.remove()
        teams.stop()


def _is_on_cpu(optimizer: torch.optim.Optimizer) -> bool:
    parameters = itertools.chain.from_iterable(g["params"] for g in optimizer.param_groups)
    return next((p.device.type == "cpu" for p in parameters), False)
