"""What the harness costs: python benchmarks/overhead.py

    python benchmarks/overhead.py dropout --rounds 3
    python benchmarks/overhead.py dropout --rounds 3 --train-size 6000

`parity run` against the bare trainings that it contains, in turns: Keras's, torch's, and the nudged
ones of Keras that measure rounding, in as many processes, one at a time. A bare training is `fit`
and nothing else; the harness also probes both networks, records weights and moments on the way,
writes traces, and climbs the ladder. What importing the frameworks takes is told apart.
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
from pathlib import Path

from parity.data import run_data
from parity.pair import DEFAULT_NUDGES
from parity.scenarios import scenario
from parity.spec import RunSpec

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Prints a line a round, and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", default="dropout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train-size", type=int, help="in place of the scenario's own")
    parser.add_argument("--bare", nargs=2, metavar=("HALF", "SPECS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare is not None:
        print(json.dumps(train(given.bare[0], json.loads(given.bare[1]))))
        return
    spec = scenario(given.scenario)
    spec = spec.replace(train_size=given.train_size or spec.train_size)
    shares = []
    for number in range(1, given.rounds + 1):
        harness = timed_harness(spec)
        fits, starts = bare_trainings(spec)
        shares.append((harness - starts) / fits - 1)
        print(
            f"round {number}: parity run {harness:.1f} s; trainings {fits:.1f} s and the start of "
            f"their processes {starts:.1f} s; overhead {shares[-1]:+.1%}",
            flush=True,
        )
    print(
        f"median overhead {statistics.median(shares):+.1%} "
        f"({given.scenario}, {spec.train_size} samples)"
    )


def timed_harness(spec: RunSpec) -> float:
    """Returns the seconds of a whole `parity run`."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.fspath(Path(folder) / "run")
        command = ["parity", "run", str(spec.scenario), "--train-size", str(spec.train_size)]
        command += ["--workers", "1", "--quiet", "--out", out]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", *command], check=True, cwd=ROOT)
        return time.perf_counter() - started


def bare_trainings(spec: RunSpec) -> tuple[float, float]:
    """Returns the seconds of all trainings, and those that their processes took besides."""
    nudged = [spec.replace(nudge=number) for number in range(1, DEFAULT_NUDGES + 1)]
    fits = starts = 0.0
    for half, specs in (("keras", [spec]), ("torch", [spec]), ("keras", nudged)):
        given = json.dumps([each.to_dict() for each in specs])
        command = [sys.executable, __file__, "--bare", half, given]
        started = time.perf_counter()
        child = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
        spent = time.perf_counter() - started
        fit = json.loads(child.stdout.splitlines()[-1])
        fits, starts = fits + fit, starts + spent - fit
    return fits, starts


def train(name: str, given: list[dict[str, object]]) -> float:
    """Trains specs one after the other; returns the seconds of the trainings."""
    half = importlib.import_module(f"{name}_impl")
    specs = [RunSpec.from_dict(values) for values in given]
    half.configure(specs[0])
    datas = [run_data(spec) for spec in specs]
    fit = half.fit  # which imports the framework
    started = time.perf_counter()
    for spec, data in zip(specs, datas, strict=True):
        fit(spec, data)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
