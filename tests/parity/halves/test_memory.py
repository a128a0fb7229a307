"""Large blocks of a child go back to the system when they are freed, or when it is told to."""

import platform
import subprocess
import sys

import pytest
from paths import ROOT
from rows import each_row

from parity.halves import process

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries do as they like"
)

# Blocks below one that stays: the heap can give back nothing but gaps.
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from parity.halves import memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

import ctypes
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

{before}
blocks = []
for number in range(32):
    block = library.malloc({size})
    ctypes.memset(block, 1, {size})
    blocks.append(block)
    ctypes.memset(library.malloc(4096), 1, 4096)  # stays
held = resident()
for block in blocks:
    library.free(block)
{after}
print(held - resident())
"""
MIB = 2**20


def given_back(before, after, size):
    program = PROGRAM.format(root=str(ROOT), before=before, after=after, size=size)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=process.environment(sys.executable),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ended.stdout) / (32 * size / MIB)


def test_a_child_keeps_what_it_has_freed():
    assert given_back("", "", 4 * MIB) == pytest.approx(0, abs=0.1)


def test_large_blocks_are_given_back_at_once_and_others_are_kept():
    asked = "memory.give_back_large_blocks()"
    assert given_back(asked, "", 4 * MIB) == pytest.approx(1, abs=0.1)
    assert given_back(asked, "", MIB) == pytest.approx(0, abs=0.1)
    smaller = "memory.give_back_large_blocks(memory.SMALLER)"
    assert given_back(smaller, "", MIB) == pytest.approx(1, abs=0.1)
    assert given_back(f"{smaller}; {asked}", "", MIB) == pytest.approx(0, abs=0.1)


@each_row("name", ["free_memory", "give_back_free_blocks"])
def test_gaps_between_what_stays_are_given_back_on_demand(name):
    assert given_back("", f"memory.{name}()", MIB) == pytest.approx(1, abs=0.1)


KEPT = """
import gc, sys
sys.path.insert(0, {root!r})
from parity.halves.memory import kept_for_good

try:
    with kept_for_good():
        made = [[] for _ in range(100_000)]
        inside = gc.isenabled(), gc.get_count()[0]
        {error}
except ImportError:
    pass
print(*inside, gc.isenabled(), gc.get_freeze_count())
"""


@each_row("error", ["", "raise ImportError"])
def test_what_is_imported_is_never_looked_at_by_the_garbage_collector(error):
    ended = subprocess.run(
        [sys.executable, "-c", KEPT.format(root=str(ROOT), error=error)],
        capture_output=True,
        text=True,
        check=True,
    )
    was_enabled, made, is_enabled, frozen = ended.stdout.split()
    assert (was_enabled, is_enabled) == ("False", "True")
    assert int(made) >= 100_000
    assert int(frozen) >= 100_000
