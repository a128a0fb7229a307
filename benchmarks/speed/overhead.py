"""What the harness costs: python benchmarks/speed/overhead.py

    python benchmarks/speed/overhead.py dropout --rounds 3
    python benchmarks/speed/overhead.py dropout --rounds 3 --workers 1
    python benchmarks/speed/overhead.py dropout --rounds 3 --train-size 3000

It times `parity run` and its two bare trainings, Keras's and torch's, in turns. A bare training is
only `fit`. The harness also probes both networks, records weights on the way, evaluates after every
epoch, makes steps from anchors, writes traces, and compares the levels of the ladder. Both times
are those of whole commands, with the import of the frameworks. With one process at a time the bare
trainings run one after the other, as those of `parity run` mostly do.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="number of parallel processes"
    )
    parser.add_argument("--bare", nargs=2, metavar=("HALF", "SPECS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare is not None:
        train(given.bare[0], json.loads(given.bare[1]))
        return
    spec = scenario(given.scenario)
    spec = spec.replace(train_size=given.train_size or spec.train_size)
    shares = []
    for number in range(1, given.rounds + 1):
        harness, bare = timed_harness(spec, given.workers), timed_trainings(spec, given.workers)
        shares.append(harness / bare - 1)
        print(
            f"round {number}: parity run {harness:.1f} s; bare trainings {bare:.1f} s; "
            f"overhead {shares[-1]:+.1%}",
            flush=True,
        )
    print(
        f"median overhead {statistics.median(shares):+.1%} ({given.scenario}, {spec.train_size} "
        f"samples, {given.workers} processes at a time)"
    )


def timed_harness(spec: RunSpec, workers: int) -> float:
    """Returns the seconds of a whole `parity run`."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.fspath(Path(folder) / "run")
        command = ["parity", "run", str(spec.scenario), "--train-size", str(spec.train_size)]
        command += ["--workers", str(workers), "--quiet", "--out", out]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", *command], check=True, cwd=ROOT)
        return time.perf_counter() - started


def timed_trainings(spec: RunSpec, workers: int) -> float:
    """Returns the seconds of both trainings, a process each."""
    parts = (("keras", [spec]), ("torch", [spec]))
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        list(pool.map(lambda part: bare_process(*part), parts))
        return time.perf_counter() - started


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
    half = importlib.import_module(f"{name}_impl")
    specs = [RunSpec.from_dict(values) for values in given]
    half.configure(specs[0])
    for spec in specs:
        half.fit(spec, run_data(spec))


if __name__ == "__main__":
    main()
