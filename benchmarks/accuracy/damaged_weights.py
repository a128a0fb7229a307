"""Damages files of weights, and counts what becomes of them: one line, or arrays of the same form.

    python benchmarks/accuracy/damaged_weights.py                1,000 files, some minutes
    python benchmarks/accuracy/damaged_weights.py --count 200

Each file is read as `parity convert` reads it, in a process of its own. It prints how many are
refused in one line, how many of these by a crash of the library that reads HDF5, and how many are
read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from damaged_weights import MADE, damaged
from weight_files import _write

from parity.errors import InputError
from parity.runs.model_files import copy_weights
from parity.weights.copied import read_copied


def main() -> int:
    """Prints the counts; returns 1 if a file gives anything but one line or arrays of its form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write("rows", root)
        for name, path in damaged(root, root, count):
            found[_judged(name, path, root / "read")] += 1
            shutil.rmtree(root / "read", ignore_errors=True)
    for what, number in found.most_common():
        print(f"{number:6,} {what}")
    return int(any(what.startswith("WRONG") for what in found))


def _judged(name: str, path: Path, folder: Path) -> str:
    try:
        copy_weights(path, folder)
    except InputError as error:
        told = str(error)
        if "\n" in told or not told.isprintable():
            return f"WRONG: several lines ({name})"
        return "refused after a crash" if "damaged, or hostile" in told else "refused in one line"
    shapes = sorted(each["shape"] for each in read_copied(folder).weights)
    if name in MADE or shapes != [[4]] * 3 + [[4, 4]] * 3:
        return f"WRONG: read ({name})"
    return "read, with a change that no checksum covers"


if __name__ == "__main__":
    sys.exit(main())
