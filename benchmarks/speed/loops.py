"""The compiled loops of a wheel against those compiled on this machine.

    python benchmarks/speed/loops.py
    python benchmarks/speed/loops.py --level x86-64-v3

It builds a wheel of this checkout and unpacks it. Two processes use it in turns (`turns`): one
without a compiler, one whose loops are compiled here.

`--level` is for a lower level than this processor has: the wheel's loop of that level is taken, and
the compiler leaves out what the level does not have.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(Path(__file__).parent))  # also where nothing is put there (PYTHONSAFEPATH)

import against
import turns

from torch_impl.native import store

WITHOUT = {  # what the compiler leaves out, for a processor of a level
    "x86-64-v4": "",
    "x86-64-v3": "-mno-avx512f",
    "x86-64-v2": "-mno-avx -mno-fma",
    "armv8-a": "",
    "apple-m1": "",
}


def worker(package: Path, cache: Path, origin: str, given: argparse.Namespace) -> turns.Worker:
    """Starts one of the two processes."""
    variables = {"XDG_CACHE_HOME": str(cache)}
    if origin == "from the wheel":
        variables |= {"PATH": "", "PARITY_NATIVE": "wheel"}
    else:
        compiler = os.environ.get("CC", "cc")
        variables |= {"PARITY_NATIVE": "here", "CC": f"{compiler} {WITHOUT[given.level]}"}
    level = given.level if origin == "from the wheel" else ""
    command = [__file__, "--serve", "--threads", str(given.threads), "--level", level]
    found = turns.Worker(package, command, variables)
    where, origins = found.about
    if not where.startswith(str(package)):
        sys.exit(f"{where} was imported, not that of the wheel in {package}")
    if not all(told.startswith(origin) for told in origins.values()):
        sys.exit(f"not all loops are {origin}: {origins}")
    return found


def build(folder: Path) -> Path:
    """Builds a wheel of a copy of this checkout, and returns the folder where it is unpacked."""
    source = folder / "source"
    for path in (*ROOT.glob("*_impl"), ROOT / "parity"):
        shutil.copytree(path, source / path.name)
    for path in (*ROOT.glob("*.toml"), ROOT / "setup.py", *ROOT.glob("[A-Z]*")):
        shutil.copy(path, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "--wheel-dir", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    print(wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def main(given: argparse.Namespace) -> None:
    """Prints the speed of the wheel's loops as a share of that of the others."""
    with tempfile.TemporaryDirectory() as name:
        package, cache = build(Path(name)), Path(name) / "cache"
        start = {
            origin: functools.partial(worker, package, cache, origin, given)
            for origin in ("from the wheel", "compiled here")
        }
        found = turns.speeds(start, given.rounds, given.turns)
    print(f"{given.threads} thread(s); load of the machine: {os.getloadavg()[0]:.1f}")
    for task, shares in found.items():
        print(turns.told(task, shares))
    print(f"{given.rounds} rounds of {given.turns} pairs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--level", choices=[*WITHOUT, ""])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        import torch_impl
        from torch_impl.native.origins import origins

        if options.level:
            store.levels = lambda: (options.level,)
        turns.serve([torch_impl.__file__, origins()], against.prepared(options.threads))
    else:
        options.level = options.level or store.levels()[0]
        main(options)
