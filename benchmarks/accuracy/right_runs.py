"""False alarms of the float32 judge: python benchmarks/accuracy/right_runs.py

Both halves of the project train alike, so that every alarm of `parity run` in float32 is false. The
runs differ in program, seed, batch size, number of samples and of epochs, all drawn from `--draw`;
and in how the sums are computed: with other instruction sets of oneDNN and of torch's own kernels,
with TensorFlow's oneDNN on or off, with one thread or two.

    python benchmarks/accuracy/right_runs.py --number 200 --draw 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("underfit", "capacity", "augmentation", "dropout", "cured_by_l2")
PROGRAMS += ("cured_by_early_stopping",)
# What changes how a sum is rounded; the first is the machine's own way.
MACHINES: dict[str, dict[str, str]] = {
    "default": {},
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "sse41": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
    "onednn off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "onednn on": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "onednn on, avx2": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}


def drawn(number: int, draw: int) -> dict[str, Any]:
    """Returns the settings of one run."""
    generator = np.random.default_rng((draw, number))
    return {
        "program": PROGRAMS[number % len(PROGRAMS)],
        "machine": list(MACHINES)[int(generator.integers(len(MACHINES)))],
        "seed": int(generator.integers(1, 2**31 - 2)),
        "batch_size": int(generator.choice((7, 16, 32, 50))),
        "train_size": int(generator.integers(100, 400)),
        "epochs": int(generator.choice((3, 8, 20))),
        "threads": int(generator.choice((1, 1, 2))),
    }


def outcome(number: int, draw: int) -> dict[str, Any]:
    """Makes one run in processes of its own; returns its settings and what was found."""
    row = drawn(number, draw)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parity-right-") as name:
        command = [sys.executable, "-m", "parity", "run", row["program"], "--out", f"{name}/out"]
        command += ["--workers", "1", "--val-size", "100"]
        for option in ("seed", "batch_size", "train_size", "epochs", "threads"):
            command += [f"--{option.replace('_', '-')}", str(row[option])]
        environment = os.environ | MACHINES[row["machine"]]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT
        )
        found = list(Path(name, "out").glob("*/result.json"))
        if not found:
            return {**row, "verdict": "error", "first": ended.stderr[-300:]}
        result = json.loads(found[0].read_text(encoding="utf-8"))
    anchors = result["anchors"] or {"difference": [], "allowed": [], "rounding": []}
    ratios = [a / b for a, b in zip(anchors["difference"], anchors["allowed"], strict=True)]
    return {
        **row,
        "verdict": result["verdict"],
        "first": result["first_divergence"],
        "num_anchors": len(ratios),
        "of_allowed": max(ratios, default=0.0),
        "rounding": max(anchors["rounding"], default=0.0),
        "wall_s": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Prints a row per run, and the numbers of alarms."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=200, help="number of runs")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--draw", type=int, default=1, help="seed of the settings")
    parser.add_argument("--workers", type=int, default=2, help="number of runs at a time")
    given = parser.parse_args()
    rows = []
    with ThreadPoolExecutor(given.workers) as pool:
        numbers = range(given.first, given.first + given.number)
        for row in pool.map(lambda number: outcome(number, given.draw), numbers):
            rows.append(row)
            print(json.dumps(row), flush=True)
    counts = Counter(row["verdict"] for row in rows)
    anchors = sum(row.get("num_anchors", 0) for row in rows)
    print(f"{len(rows)} right runs, {anchors} anchors: {dict(counts)}")
    for name in ("of_allowed", "rounding"):
        values = [row[name] for row in rows if name in row]
        print(f"{name}: median {np.median(values):.2g}, largest {max(values):.2g}")
    sys.exit(counts.keys() != {"pass"})


if __name__ == "__main__":
    main()
