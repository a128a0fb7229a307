"""Whether a benchmark reports a difference between a variant and itself.

    python benchmarks/speed/same_against_same.py torch --runs 20 --rounds 15

It times one variant against itself, in two processes that take turns, as `parity bench` does. The
interval of the ratio must contain 1 in at least 95 % of the runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from parity.bench.client import BackgroundLoad
from parity.bench.run import measure
from parity.bench.statistics import with_ratios
from parity.programs.bench_spec import BenchSpec

TIMEOUT_S = 600.0


def main() -> None:
    """Prints a line per run, and how many intervals contain 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", nargs="?", default="torch")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    spec = BenchSpec(
        variants=(given.variant, given.variant), baseline=given.variant, rounds=given.rounds
    )
    pythons = {"keras": sys.executable, "torch": sys.executable}
    num_right = 0
    for number in range(1, given.runs + 1):
        load = BackgroundLoad()
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(spec, Path(folder) / "run", pythons, TIMEOUT_S, lambda text: None)
        share = load.share()
        ratio = with_ratios(rows, spec.baseline)[1].ratio
        if ratio is None:
            sys.exit(f"run {number}: {rows[0].reason or rows[1].reason or 'no ratio'}")
        is_right = ratio.low <= 1 <= ratio.high
        num_right += is_right
        print(
            f"run {number:2}: {ratio.median:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) "
            f"{'contains 1' if is_right else 'does not contain 1'}"
            + ("" if share is None else f"; other processes used {share:.0%} of the CPU"),
            flush=True,
        )
    print(f"{num_right} of {given.runs} intervals contain 1 ({given.variant})")


if __name__ == "__main__":
    main()
