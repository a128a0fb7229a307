"""Draws the pictures of docs/tutorial.md: `python docs/pictures.py`.

Each is what `parity diagnose docs/histories/NAME.json --plot docs/images/NAME.svg` draws. With
--train the two commands of the tutorial that train are run first, and write the histories anew:
some four minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
HISTORIES, IMAGES = HERE / "histories", HERE / "images"

# As in the tutorial. In float64 the verdicts are those of any machine.
RUNS = (
    "underfit capacity augmentation dropout --dtype float64 --train-size 1300 --val-size 1000 "
    "--epochs 10",
    "leak sorted_split noisy_labels --dtype float64",
)


@dataclass(frozen=True)
class Picture:
    """A run of the tutorial.

    Attributes:
        train: training samples.
        val: validation samples.
        verdict: on its history.
    """

    train: int
    val: int
    verdict: str


# Name of the scenario, of its history and of its picture.
PICTURES = {
    "underfit": Picture(1300, 1000, "underfit"),
    "capacity": Picture(1300, 1000, "overfit"),
    "augmentation": Picture(1300, 1000, "good_fit"),
    "dropout": Picture(1300, 1000, "good_fit"),
    "leak": Picture(600, 500, "suspicious"),
    "sorted_split": Picture(2000, 1000, "suspicious"),
    "noisy_labels": Picture(3500, 2000, "underfit"),
}


def main(train: bool) -> None:
    """Draws all pictures, after training all runs where that is asked for."""
    if train:
        _train()
    for name, picture in PICTURES.items():
        history, plot = HISTORIES / f"{name}.json", IMAGES / f"{name}.svg"
        sizes = ["--train-size", str(picture.train), "--val-size", str(picture.val)]
        options = ["--classes", "10", *sizes, "--plot", str(plot), "--quiet"]
        code = 0 if picture.verdict == "good_fit" else 1
        _parity(code, "diagnose", str(history), *options)


def _train() -> None:
    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for options in RUNS:
            _parity(0, "run", *options.split(), "--out", folder, "--quiet")
        for name in PICTURES:
            run = Path(folder) / f"{name}-seed42" / "keras"
            shutil.copyfile(run / "training" / "history.json", HISTORIES / f"{name}.json")


def _parity(code: int, *arguments: str) -> None:
    ended = subprocess.run([sys.executable, "-m", "parity", *arguments], check=False)
    if ended.returncode != code:
        raise SystemExit(f"parity {' '.join(arguments)}: exit code {ended.returncode}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", action="store_true", help="train the runs anew first")
    main(parser.parse_args().train)
