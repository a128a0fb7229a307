"""Converts trained models of Keras into modules of many styles, and back, bit by bit.

    python benchmarks/accuracy/converted_weights.py
    python benchmarks/accuracy/converted_weights.py --applications    (15 minutes of the processor)

Three small models are trained and written in all forms. Each form goes into each style of module
by the code of `parity convert`. It prints the styles with the greatest difference of the outputs in
float64, how many weights are bit by bit those of Keras after the way there and back, how many
permutations of layers of one shape are judged rightly, and how many exchanges of two weights of one
shape change the output by more than is allowed.

With --applications, weights of eight networks of keras.applications, with drawn values, are read
from five kinds of files, and two of the networks are converted into those of torchvision.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import application_weights
import numpy as np
import torch
import torchvision.transforms.v2  # noqa: F401 - before TensorFlow
from conversions import converted, default_dtype
from safetensors.numpy import load_file
from weight_files import FORMS, MODELS, _write, config
from weight_ports import RIGHT, WRONG

from parity.conversions.named import keys_by_name
from parity.conversions.proof import error_of
from parity.conversions.source import source_of_file
from parity.conversions.twin import Twin
from parity.files.atomic import private_folder
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.weights.copied import BACK, STATE, read_copied
from parity.weights.read import copy_stored, read_stored, read_weights


def main() -> int:
    """Prints the figures; returns 1 if a style is refused, or a bit is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--applications", action="store_true", help="large networks, in their place"
    )
    torch.set_num_threads(1)
    if parser.parse_args().applications:
        return _applications()
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
        failed += _swapped(root)
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


def _swapped(root: Path) -> int:
    """Prints whether every exchange of two weights of one shape, alone, changes the output."""
    seen = count = 0
    for n, (name, factory) in enumerate(RIGHT.values()):
        folder = root / f"swap{n}"
        (folder / "weights").mkdir(parents=True)
        copy_stored(root / f"{name}.keras", folder / "weights")
        copied = read_copied(folder / "weights")
        with default_dtype():
            source = source_of_file(copied, copied.config, folder / "twin")
            port = PortUnderTest(factory, 0, source.trace)
            for one, other in itertools.combinations(port.carried, 2):
                first, second = one.value(), other.value()
                if first.shape == second.shape:
                    one.set(second), other.set(first)
                    seen += not error_of(port) <= source.most
                    one.set(first), other.set(second)
                    count += 1
            assert error_of(port) <= source.most, name
    print(f"{seen} of {count} exchanges of two weights of one shape change the output")
    return int(seen < count)


def _applications() -> int:
    """Prints how many weights of large networks are read bit by bit, and two conversions."""
    failed = 0
    for name in application_weights.NAMES:
        model = application_weights.network(name)
        theirs = application_weights.values(model)
        with tempfile.TemporaryDirectory() as root:
            paths = application_weights.write(model, Path(root))
            twin = Twin(json.loads((Path(root) / f"{model.name}.json").read_text()))
            found = []
            for path in paths.values():
                with private_folder("weights") as folder:
                    stored = read_stored(path, folder)
                    keys = keys_by_name(twin, [array.told() for array in stored.weights])
                    arrays = {array.key: array for array in stored.weights}
                    found.append(
                        sum(
                            np.array_equal(arrays[key].load(), theirs[twin.paths[weight]])
                            for weight, key in keys.items()
                        )
                    )
        failed += any(number < len(theirs) for number in found)
        told = ", ".join(f"{n} in {form}" for form, n in zip(paths, found, strict=True))
        print(f"{name}: of {len(theirs)} weights the same bit by bit: {told}", flush=True)
    for name, factory in application_weights.TORCHVISION.items():
        model = application_weights.whole_network(name)
        with tempfile.TemporaryDirectory() as root:
            paths = application_weights.write(model, Path(root), [".keras"])
            done = converted(paths[".keras"], factory, Path(root) / "torchvision")
        failed += bool(done.problems)
        print(
            f"{name} of torchvision: {done.num_filled} of {done.num_weights} weights, largest "
            f"difference {done.error:.1e}, {len(done.problems)} problems",
            flush=True,
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
