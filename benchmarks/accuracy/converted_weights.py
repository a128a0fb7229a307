"""Converts trained models of Keras into modules of many styles, and back, bit by bit.

    python benchmarks/accuracy/converted_weights.py

Three small models are trained and written in all forms. Each form goes into each style of module
by the code of `parity convert`. It prints the styles with the greatest difference of the outputs in
float64, how many weights are bit by bit those of Keras after the way there and back, and how many
permutations of layers of one shape are judged rightly.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import numpy as np
import torch
import torchvision.transforms.v2  # noqa: F401 - before TensorFlow
from conversions import converted
from safetensors.numpy import load_file
from weight_files import FORMS, MODELS, _write, config
from weight_ports import RIGHT, WRONG

from parity.weights.read import read_weights
from parity.weights.request import BACK, STATE


def main() -> int:
    """Prints the figures; returns 1 if a style is refused, or a bit is lost."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in MODELS:
            _write(name, root)
        number, errors = 0, []
        for style, (name, factory) in RIGHT.items():
            for form in FORMS:
                settings = {} if form in (".keras", ".h5") else {"config": config(root, name)}
                done = converted(root / f"{name}{form}", factory, root / f"{number}", **settings)
                failed += bool(done.problems)
                errors.append(done.error)
                number += 1
            print(f"{style:40} {name:8} {max(errors[-len(FORMS) :]):.1e}")
        print(f"{number} conversions, {failed} refused, largest difference {max(errors):.1e}")
        wrong = sum(
            bool(converted(root / f"{name}.keras", factory, root / f"wrong{n}").problems)
            for n, (name, factory, _) in enumerate(WRONG.values())
        )
        print(f"{wrong} of {len(WRONG)} modules with a parameter too many or too few are refused")
        failed += wrong < len(WRONG)
        failed += _back(root)
        failed += _exchanged(root)
    return int(bool(failed))


def _back(root: Path) -> int:
    """Prints how many weights come back bit by bit."""
    same = count = 0
    for n, (name, factory) in enumerate(RIGHT.values()):
        there, back = root / f"there{n}", root / f"back{n}"
        converted(root / f"{name}.h5", factory, there)
        state = str(there / "torch" / STATE)
        converted(root / f"{name}.h5", factory, back, state=state)
        theirs, ours = read_weights(root / f"{name}.h5"), load_file(back / "torch" / BACK)
        count += len(theirs)
        same += sum(
            np.array_equal(theirs[key], ours[key].astype(theirs[key].dtype)) for key in theirs
        )
    print(f"{same} of {count} weights are the same bit by bit after the way there and back")
    return int(same < count)


def _exchanged(root: Path) -> int:
    """Prints whether every exchange of two layers of one shape is seen."""
    name, factory = RIGHT["a Sequential"]
    places = {"dense": "0", "dense_1": "2", "dense_2": "3"}
    seen = count = 0
    for order in itertools.permutations(places.values()):
        pairs = dict(zip(places, order, strict=True))
        done = converted(root / f"{name}.keras", factory, root / f"order{count}", layers=pairs)
        count += 1
        seen += bool(done.problems) == (pairs != places)
    print(f"{seen} of {count} permutations of three layers of one shape are judged rightly")
    return int(seen < count)


if __name__ == "__main__":
    sys.exit(main())
