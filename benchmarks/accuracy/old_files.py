"""Files that Keras 2 wrote, read by Keras 3 as `parity port` reads them: do they compute the same.

    python benchmarks/accuracy/old_files.py --keras-python KERAS_2
    python benchmarks/accuracy/old_files.py --folder FOLDER

An interpreter with Keras 2 writes the files (benchmarks/old_files/writer.py): one for each layer,
graphs, networks of keras.applications, trained models, each as `.h5` and `.keras`. Or they are in a
folder already. A row is a file that is not as expected: whose outputs differ in float32 by more
than 3e-5 of the greatest one, or that is refused, or is not, against its name. Then come the counts
and the reasons of what is refused. The exit code is 1 if there is such a row.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import keras
import numpy as np

from parity.errors import InputError
from parity.halves.keras.program.saved_model import saved_model

BAR = 3e-5  # of a network of some hundred layers in float32; a layer differs by 1e-7


def difference(path: Path) -> float:
    """Returns how far the outputs of a file are from those of Keras 2, of the greatest one.

    Raises:
        InputError: the file is refused.
    """
    keras.utils.clear_session()
    model = saved_model(path)()
    given = np.load(path.with_suffix(".npz"))
    xs = [given[name] for name in given if name.startswith("x")]
    ys = model(xs if len(xs) > 1 else xs[0], training=False)
    worst = 0.0
    for number, y in enumerate(keras.tree.flatten(ys)):
        expected = given[f"y{number}"].astype(np.float64)
        ours = np.asarray(y, np.float64)
        if ours.shape != expected.shape:
            return float("inf")
        worst = max(worst, float(np.abs(ours - expected).max() / max(np.abs(expected).max(), 1e-9)))
    return worst


def row_of(path: Path) -> tuple[bool, str]:
    """Returns whether a file is as expected, and what was found."""
    try:
        found = difference(path)
    except InputError as error:
        return path.name.startswith("refused_"), f"refused: {error}"
    return found <= BAR and not path.name.startswith("refused_"), f"differs by {found:.0e}"


def main() -> int:
    """Reads all files, and returns 1 if one is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--keras-python", help="an interpreter with Keras 2, which writes the files"
    )
    source.add_argument("--folder", type=Path, help="with the files")
    given: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        if given.keras_python:
            writer = ROOT / "benchmarks/old_files/writer.py"
            subprocess.run([given.keras_python, str(writer), str(folder)], check=True)
        counts: Counter[str] = Counter()
        reasons = []
        for path in sorted([*folder.glob("*.h5"), *folder.glob("*.keras")]):
            is_right, told = row_of(path)
            is_refused = told.startswith("refused")
            counts["refused" if is_refused else "read"] += 1
            if is_refused:
                reasons.append(f"{path.name}: {told}")
            if not is_right:
                counts["not as expected"] += 1
                print(f"{path.name:36} {told}")
    print(*reasons, sep="\n")
    print(", ".join(f"{number} {what}" for what, number in counts.items()))
    return int(bool(counts["not as expected"]))


if __name__ == "__main__":
    sys.exit(main())
