"""What others took of the machine: counted from what Linux tells, ours taken off."""

import subprocess
import sys
import time

import pytest

from parity.bench import client
from parity.bench.client import BackgroundLoad

TICKS = 100  # a second


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Sets what the system tells: seconds of each kind, of this process, of its children."""
    stat = tmp_path / "stat"
    monkeypatch.setattr(client, "STAT", stat)
    monkeypatch.setattr(client.os, "sysconf", lambda name: TICKS)

    def tell(kinds, ours, children):
        stat.write_text(f"cpu  {' '.join(str(int(TICKS * kind)) for kind in kinds)} 0 0\ncpu0 1\n")

        def used(who):
            seconds = ours if who == client.resource.RUSAGE_SELF else children
            return client.resource.struct_rusage([seconds, 0.0, *[0] * 14])

        monkeypatch.setattr(client.resource, "getrusage", used)

    return tell


#        user nice system idle iowait irq softirq steal
START = (10, 0, 5, 100, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("kinds", "before", "after", "share"),
    [
        # Of 20 s of all cores 12 are busy: 4 are this process's, 6 its children's.
        ((20, 0, 7, 107, 2, 0, 0, 0), (2, 3), (6, 9), 2 / 20),
        # What the host gave to somebody else is others'.
        ((10, 0, 5, 105, 1, 0, 0, 5), (0, 0), (0, 0), 5 / 10),
    ],
)
def test_what_this_process_and_its_children_used_is_not_others(told, kinds, before, after, share):
    told(START, *before)
    counted = BackgroundLoad()
    told(kinds, *after)
    assert counted.share() == pytest.approx(share)


@pytest.mark.parametrize(
    "text", [None, "", "cpu 1 2", "intr 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"]
)
def test_where_the_system_does_not_tell_nothing_is_said(monkeypatch, tmp_path, text):
    monkeypatch.setattr(client, "STAT", tmp_path / "stat")
    if text is not None:
        client.STAT.write_text(text)
    assert BackgroundLoad().share() is None


@pytest.mark.skipif(not client.STAT.exists(), reason="no /proc/stat on this system")
def test_a_busy_process_that_is_no_child_of_ours_is_seen():
    """It is a grandchild that its parent leaves behind."""
    spin = "import time; end = time.time() + 1.5\nwhile time.time() < end: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {spin!r}])"
    counted = BackgroundLoad()
    subprocess.run([sys.executable, "-c", leave], check=True)
    time.sleep(1)
    assert 0.3 / client.os.cpu_count() < counted.share() <= 1
