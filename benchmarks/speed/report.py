"""Time, memory and size of a report: python benchmarks/speed/report.py

    python benchmarks/speed/report.py --runs 200
    python benchmarks/speed/report.py DIR

Makes a sweep with this number of runs and random values in a temporary folder, or takes an existing
folder. Then it writes the report in a separate process, and prints seconds, memory and bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from parity.behaviour.rules import Judgement
from parity.programs.scenarios import BEHAVIOUR, SCENARIOS
from parity.sweeps.result import result_of
from parity.sweeps.rows import Row, Sweep
from parity.traces.folder import REPORT, SWEEP

# The parent's count of a child's peak includes the memory of the parent at the fork.
PROGRAM = """
import sys
from pathlib import Path
from parity.report.write import write_reports
write_reports(Path(sys.argv[1]))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        if given.folder is None:
            result = result_of(sweep_of(given.runs), mode="independent")
            (folder / SWEEP).write_text(json.dumps(result.to_json()), encoding="utf-8")
        command = [sys.executable, "-c", PROGRAM, os.fspath(folder)]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - started
        size = (folder / REPORT).stat().st_size
    print(
        f"report of {given.folder or f'{given.runs} runs'}: {seconds:.1f} s, "
        f"{int(done.stdout) / 1024:.0f} MB of memory, {size / 1e6:.2f} MB"
    )


def sweep_of(num_runs: int) -> Sweep:
    """Returns runs of all behaviour scenarios, equally many of each half."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(num_runs // 2):
        name = list(BEHAVIOUR)[number % len(BEHAVIOUR)]
        for half in ("keras", "torch"):
            val = float(0.9 + 0.01 * generator.standard_normal())
            epochs = float(5 + generator.random())
            judgement = Judgement(
                SCENARIOS[name].expected or "good_fit", "gap", "drawn", 20, 0.99, True, val,
                0.99 - val, epochs_to_plateau=epochs,
            )  # fmt: skip
            rows.append(Row(name, number // len(BEHAVIOUR), half, judgement, 2.0))
    return Sweep(rows=rows)


if __name__ == "__main__":
    main()
