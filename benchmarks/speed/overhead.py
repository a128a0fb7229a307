"""What the harness costs: python benchmarks/speed/overhead.py

    python benchmarks/speed/overhead.py dropout --rounds 3
    python benchmarks/speed/overhead.py dropout --rounds 3 --workers 1
    python benchmarks/speed/overhead.py dropout --rounds 3 --train-size 3000
    python benchmarks/speed/overhead.py dropout --rounds 3 --dtype float64

It times `parity run` and its two bare trainings, Keras's and torch's, in turns. A bare training is
only `fit`. The harness also probes both networks, records weights on the way, evaluates after every
epoch, makes steps from anchors, writes traces, and compares the levels of the ladder. Both times
are those of whole commands, with the import of the frameworks. With one process at a time the bare
trainings run one after the other, as those of `parity run` mostly do.

The CPU seconds of all processes are told too. On a machine with other work, they alone mean
something.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from parity.data.load import run_data
from parity.halves.process import environment
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import scenario

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Prints a line per round, and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", default="dropout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train-size", type=int, help="overrides that of the scenario")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="number of parallel processes"
    )
    parser.add_argument("--bare", nargs=2, metavar=("HALF", "SPECS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare is not None:
        train(given.bare[0], json.loads(given.bare[1]))
        return
    spec = scenario(given.scenario)
    spec = spec.replace(train_size=given.train_size or spec.train_size, dtype=given.dtype)
    compare(
        f"{given.scenario}, {spec.dtype}, {spec.train_size} samples",
        given.rounds,
        lambda: run_whole(spec, given.workers),
        lambda: train_both(spec, given.workers),
    )


def compare(
    name: str, rounds: int, whole: Callable[[], object], bare: Callable[[], object]
) -> tuple[float, float]:
    """Prints what a whole run costs over the bare trainings, in turns.

    Args:
        name: of what is trained.
        rounds: number of turns of each.
        whole: makes a whole run.
        bare: makes the trainings alone.

    Returns:
        CPU seconds of the bare trainings, and those that a whole run takes more: the medians.
    """
    shares, seconds = [], []
    for number in range(1, rounds + 1):
        harness, alone = spent(whole), spent(bare)
        shares.append([a / b - 1 for a, b in zip(harness, alone, strict=True)])
        seconds.append((alone[1], harness[1] - alone[1]))
        print(
            f"{name}, round {number}: parity run {harness[0]:.1f} s, {harness[1]:.1f} s of CPU; "
            f"bare trainings {alone[0]:.1f} s, {alone[1]:.1f} s of CPU; overhead "
            f"{shares[-1][0]:+.1%}, {shares[-1][1]:+.1%} of CPU",
            flush=True,
        )
    wall, cpu = (statistics.median(column) for column in zip(*shares, strict=True))
    print(f"{name}: median overhead {wall:+.1%}, {cpu:+.1%} of CPU", flush=True)
    trained, more = (statistics.median(column) for column in zip(*seconds, strict=True))
    return trained, more


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Returns the seconds that some work takes, and the CPU seconds of its child processes."""

    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    began, before = time.perf_counter(), cpu()
    work()
    return time.perf_counter() - began, cpu() - before


def run_whole(spec: RunSpec, workers: int) -> None:
    """Makes a whole `parity run`."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.fspath(Path(folder) / "run")
        command = ["parity", "run", str(spec.scenario), "--train-size", str(spec.train_size)]
        command += ["--dtype", spec.dtype, "--workers", str(workers), "--quiet", "--out", out]
        subprocess.run([sys.executable, "-m", *command], check=True, cwd=ROOT)


def train_both(spec: RunSpec, workers: int) -> None:
    """Makes both trainings, a process each."""
    parts = (("keras", [spec]), ("torch", [spec]))
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda part: bare_process(*part), parts))


def bare_process(half: str, specs: Sequence[RunSpec]) -> None:
    """Trains specs in their own process, with the environment of a child of the harness."""
    given = json.dumps([spec.to_dict() for spec in specs])
    command = [sys.executable, __file__, "--bare", half, given]
    subprocess.run(
        command,
        check=True,
        cwd=ROOT,
        env=environment(sys.executable),
        capture_output=True,
        text=True,
    )


def train(name: str, given: list[dict[str, object]]) -> None:
    """Trains specs one after the other."""
    half = importlib.import_module(f"parity.halves.{name}")
    specs = [RunSpec.from_dict(values) for values in given]
    half.configure(specs[0])
    for spec in specs:
        half.fit(spec, run_data(spec))


if __name__ == "__main__":
    main()
