"""On a busy machine threads sleep while they wait, which changes neither settings nor bits."""

import itertools
import subprocess
import sys
import threading

import pytest
import torch

from torch_impl import Port, Trainer, losses
from torch_impl.native import waits
from torch_impl.native.waits import FIRST_S, LONGEST_S, SHARE, Chooser, SleepingTeams, teams_needed

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="libgomp is torch's OpenMP on Linux")


@pytest.mark.parametrize(
    ("threads", "cores", "teams"),
    [(1, 2, 0), (2, 2, 1), (4, 8, 2), (4, 4, 1), (8, 8, 1), (2, 4, 3), (2, 64, 0), (4, 2, 0)],
)
def test_a_process_gets_more_threads_than_cores(threads, cores, teams):
    """A team adds all of its threads but the master to those that libgomp counts, from 1 on."""
    assert teams_needed(threads, cores) == teams


IDLE = """
import time, torch
from torch_impl.native.waits import SleepingTeams, teams_needed

def cpu_while_idle():
    begun = time.process_time()
    for _ in range(100):
        torch.zeros(1 << 17).add_(1.0)
        time.sleep(0.002)  # the second thread waits for work meanwhile
    return time.process_time() - begun

torch.set_num_threads(2)
teams = SleepingTeams(teams_needed(2, 2))
cpu_while_idle()
found = [cpu_while_idle()]
teams.start()
found.append(cpu_while_idle())
teams.stop()
found.append(cpu_while_idle())
print(*found)
"""


@ON_LINUX
def test_threads_sleep_as_long_as_the_teams_live(monkeypatch):
    """A thread that spins uses its core, whatever else the machine does."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    pinned = ["taskset", "-c", "0,1"] if len(waits.os.sched_getaffinity(0)) > 2 else []
    command = [*pinned, sys.executable, "-c", IDLE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spins, sleeps, spins_again = map(float, done.stdout.split())
    assert sleeps < min(spins, spins_again) / 3


def share(chooser, slow, quick, total_s, pause_every=None):
    """Makes steps until a time is over; returns the share of the second way in the time."""
    spent = {False: 0.0, True: 0.0}
    for step in itertools.count():
        way = chooser.way
        took = quick if way else slow
        spent[way] += took
        chooser.stepped(took + (5.0 if pause_every and step % pause_every == 0 else 0.0))
        if sum(spent.values()) > total_s:
            return spent[True] / sum(spent.values())


@pytest.mark.parametrize("pause_every", [None, 30], ids=["steps", "with validations"])
def test_the_faster_way_is_taken_and_trials_cost_little(pause_every):
    """Where the second way takes a tenth more, steps of ten milliseconds take 0.2 % more time."""
    chooser = Chooser()
    assert share(chooser, 0.100, 0.030, 60, pause_every) > 1 - 3 / SHARE
    assert chooser.chosen
    assert share(chooser, 0.010, 0.012, 60, pause_every) < 2 / SHARE
    assert not chooser.chosen
    assert 0 < share(Chooser(), 0.010, 0.011, 120) < 0.02


def test_what_is_as_fast_is_not_changed_and_no_trial_comes_early():
    chooser = Chooser()
    for _ in range(int(FIRST_S / 0.01) - 1):
        assert chooser.stepped(0.01) is False
    share(chooser, 0.010, 0.0098, 30)
    assert not chooser.chosen
    share(chooser, 0.010, 0.0090, 2 * LONGEST_S)
    assert chooser.chosen


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in waits.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", [*waits.VARIABLES, "darwin"])
def test_who_chooses_by_a_variable_or_has_another_system_is_left_alone(
    name, switching, optimizer, monkeypatch
):
    if name in waits.VARIABLES:
        monkeypatch.setenv(name, "7")
    else:
        monkeypatch.setattr(sys, "platform", name)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with waits.adapted():
        optimizer.step()
    assert switching == []


@pytest.fixture
def switching(monkeypatch):
    """Every step is made the other way; counts how often teams were started."""
    started = []

    class Switching(Chooser):
        def stepped(self, seconds):
            self.way = not self.way
            started.append(self.way)
            return self.way

    monkeypatch.setattr(waits, "Chooser", Switching)
    return started


@pytest.fixture
def optimizer():
    return torch.optim.SGD(torch.nn.Linear(2, 2).parameters())


@pytest.fixture
def need(monkeypatch):
    """Says how many teams are needed."""
    return lambda number: monkeypatch.setattr(waits, "teams_needed", lambda *both: number)


def trained():
    torch.manual_seed(3)
    parts = [torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.Flatten()]
    net = torch.nn.Sequential(*parts, torch.nn.Linear(32 * 196, 10))
    x, y = torch.randn(64, 1, 16, 16), torch.randint(0, 10, (64,))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    Trainer(Port(net, loss, torch.optim.Adam(net.parameters()))).fit(x, y, batch_size=16, epochs=2)
    return net.state_dict()


@ON_LINUX
def test_no_bit_and_no_setting_changes(switching, need):
    before, found = (torch.get_num_threads(), threading.active_count()), []
    for teams in (1, 0):
        need(teams)
        found.append(trained())
        assert (torch.get_num_threads(), threading.active_count()) == before
        assert switching == [True, False] * 4
    torch.testing.assert_close(*found, rtol=0, atol=0)


@ON_LINUX
def test_an_error_leaves_nothing_behind(switching, optimizer, need):
    """Teams that are started or stopped twice are as if it had been once."""
    need(2)
    threads, counted = threading.active_count(), []
    optimizer.register_step_pre_hook(lambda *_: counted.append(threading.active_count()))

    @waits.adapted()
    def training():
        optimizer.step()
        optimizer.step()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        training()
    assert [*counted, threading.active_count()] == [threads, threads + 2, threads]
    optimizer.step()
    assert len(switching) == 2
    teams = SleepingTeams(2)
    for change, count in ((teams.start, 2), (teams.start, 2), (teams.stop, 0), (teams.stop, 0)):
        change()
        assert threading.active_count() == threads + count


@ON_LINUX
def test_steps_inside_another_training_or_on_another_device_or_thread_do_not_count(
    switching, optimizer, need
):
    need(1)
    elsewhere = torch.optim.SGD(torch.nn.Linear(2, 2, device="meta").parameters())
    with waits.adapted():
        with waits.adapted():
            optimizer.step()
        elsewhere.step()
        other = threading.Thread(target=optimizer.step)
        other.start()
        other.join()
    assert switching == [True]
