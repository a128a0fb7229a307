"""The command line of a training, which rejects numbers that make none."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def training_parser(
    epochs: int, batch_size: int, validation_split: float
) -> argparse.ArgumentParser:
    """Returns a parser of the command line of a training, with its defaults."""
    made = argparse.ArgumentParser(description="Trains the network as Keras does.")
    made.add_argument("data", type=Path, help="a .npz file with the data")
    made.add_argument("--seed", type=int, default=42)
    made.add_argument("--epochs", type=at_least_one, default=epochs)
    made.add_argument("--batch-size", type=at_least_one, default=batch_size)
    made.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    made.add_argument(
        "--validation-split",
        type=part_of_one,
        default=validation_split,
        help="share of the samples, the last ones, if the file has no validation",
    )
    made.add_argument("--out", type=new_file, help="file for the trained weights")
    return made


def at_least_one(text: str) -> int:
    """Returns a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1")
    return int(text)


def part_of_one(text: str) -> float:
    """Returns a number from 0 to below 1."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0 to below 1")
    return number


def new_file(text: str) -> Path:
    """Returns the path of a file that can be written when the training is done."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        told = "expected a file in a folder that is there"
        raise argparse.ArgumentTypeError(f"{text}: {told}")
    return path
