"""Whole trainings of users' programs: python benchmarks/accuracy/programs.py

Six Keras programs are trained by `fit`, and their ports beside them: a right one each by hand, its
twin from Keras's config, and some with one fault that only a whole training shows. The right ports
must be the same training, the faults must be caught. Both halves run in this process.

    python benchmarks/accuracy/programs.py text series --seeds 0:3
    python benchmarks/accuracy/programs.py --dtype float32
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The checkout comes first, so that the folder tests/torch_impl is not taken for the package.
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "programs"
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(FOLDER)]

import torch  # before TensorFlow, which the Keras half imports

from parity.ladder.items import ROUNDINGS

RIGHT = ("torch.py:build", "twin")
PROGRAMS = ("residual", "text", "series", "autoencoder", "two_inputs", "finetune")


def faults_of(name: str) -> Iterator[str]:
    """Yields the names of the faults of a program."""
    module = importlib.import_module(f"{name}_faults")
    for fault, function in vars(module).items():
        is_own = inspect.isfunction(function) and function.__module__ == module.__name__
        if is_own and not inspect.signature(function).parameters:
            yield fault


def told(result: Any) -> str:
    """Returns the verdict on a port, and its first divergence."""
    if result.first is None:
        return str(result.verdict)
    found = result.first
    causes = ", ".join(str(cause["id"]) for cause in found.causes[:2]) or "no name"
    item = found.item
    places = {"epoch": item.epoch_number, "step": item.step}
    where = ", ".join(f"{word} {number}" for word, number in places.items() if number is not None)
    return f"{result.verdict}: {found.level}, {item.name} ({where}): {causes}"


def run(name: str, seed: int, dtype: str, ports: str, folder: Path) -> tuple[int, int, int, int]:
    """Trains a program and its ports; returns alarms, right ports, caught faults, faults."""
    from programs_here import result_of, spec_of, trained

    import keras_impl

    def spec(port: str) -> Any:
        factory = f"twins.py:{name}" if port == "twin" else f"{name}_{port}"
        given = spec_of(f"{name}_keras.py:build", factory, program=name, seed=seed)
        given = given.replace(dtype=dtype)
        return given.replace(folder=str(FOLDER))

    reference = folder / "reference"
    began = time.monotonic()
    trained(keras_impl, spec("torch.py:build"), reference)
    print(f"{name}, seed {seed}: Keras {time.monotonic() - began:.0f} s", flush=True)
    counts = [0, len(RIGHT), 0, 0]
    faults = [f"faults.py:{fault}" for fault in faults_of(name)] if ports == "all" else []
    for port in (*RIGHT, *faults):
        result = result_of(spec(port), folder / "run", reference)
        shutil.rmtree(folder / "run")
        is_right = port in RIGHT
        worst = max(
            (
                each.worst
                for level in result.levels
                for each in level.items
                if each.step and each.unit != ROUNDINGS
            ),
            default=0.0,
        )
        text = f"{told(result)}, largest difference {worst:.1e}" if is_right else told(result)
        print(f"  {port.partition(':')[2] or port:<40}{text}", flush=True)
        if is_right:
            counts[0] += result.verdict != "pass"
        else:
            counts[2:] = [counts[2] + (result.verdict == "fail"), counts[3] + 1]
    return counts[0], counts[1], counts[2], counts[3]


def main() -> None:
    """Prints every port, and the sums."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS), help="default: all")
    parser.add_argument("--seeds", default="42:43", metavar="A:B", help="seeds A to B-1")
    parser.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    parser.add_argument("--ports", default="all", choices=("all", "right"), help="default: all")
    given = parser.parse_args()
    first, _, last = given.seeds.partition(":")
    torch.set_num_threads(1)
    sums = [0, 0, 0, 0]
    for seed in range(int(first), int(last)):
        for name in given.programs:
            with tempfile.TemporaryDirectory(prefix="parity-programs-") as folder:
                found = run(name, seed, given.dtype, given.ports, Path(folder))
            sums = [a + b for a, b in zip(sums, found, strict=True)]
    print(f"{sums[0]} of {sums[1]} right ports called wrong, {sums[2]} of {sums[3]} faults caught")
    sys.exit(sums[0] > 0 or sums[2] < sums[3])


if __name__ == "__main__":
    main()
