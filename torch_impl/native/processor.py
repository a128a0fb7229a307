"""Which of the instruction sets of a wheel this machine's processor has."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

from torch_impl.native.recipe import LEVELS

# https://gitlab.com/x86-psABIs/x86-64-ABI: what each level adds, in the words of /proc/cpuinfo.
ADDED = {
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def features() -> str:
    """Returns the line of /proc/cpuinfo that lists the instruction sets, "" on other systems.

    Linux leaves out those that it does not support itself.
    """
    return _line("flags", "Features")


def name() -> str:
    """Returns the processor's name."""
    told = _line("model name").partition(":")[2].strip()
    return told or platform.processor() or platform.machine()


def _line(*beginnings: str) -> str:
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(beginnings)), "")


def levels() -> tuple[str, ...]:
    """Returns the levels that this processor has, the best one first."""
    listed = LEVELS.get(platform.machine(), ())
    has = set(features().partition(":")[2].split())
    needed: set[str] = set()
    found = []
    for level in reversed(listed):
        needed |= set(ADDED.get(level, "").split())
        if needed <= has:
            found.append(level)
    return tuple(reversed(found))
