"""Sweeps of users' programs: python benchmarks/accuracy/program_sweeps.py

A right port is swept with five seeds and two workers, killed on the way, and goes on. Then it and
ports with a mistake that only many seeds show are swept with more seeds: torch's initialiser, half
of the dropout, samples that are not shuffled. The right one must not differ, the others must, by
one of two margins.

    python benchmarks/accuracy/program_sweeps.py --seeds 60
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "benchmarks" / "programs"
MARGINS = (0.1, 0.05)  # of the losses; the runs are the same
RIGHT, FAULTS = "right", ("torch_initializer", "half_dropout", "not_shuffled")
PROGRAM = '[programs.{0}]\nkeras = "swept_keras.py:build"\ntorch = "swept_torch.py:{1}"\n'


def command(names: tuple[str, ...], seeds: int) -> list[str]:
    """Returns the command of a sweep."""
    words = ["sweep", *names, "--seeds", f"0:{seeds}", "--workers", "2", "--json", "sweep.json"]
    return [sys.executable, "-m", "parity", *words]


def result(folder: Path, names: tuple[str, ...], seeds: int) -> dict[str, Any]:
    """Sweeps programs; returns the result."""
    ended = subprocess.run(command(names, seeds), cwd=folder, capture_output=True, text=True)
    if ended.returncode == 2:
        sys.exit(ended.stderr)
    return json.loads((folder / "sweep.json").read_text())


def killed(folder: Path, seeds: int) -> int:
    """Kills a sweep when some of its runs have finished; returns how many."""
    process = subprocess.Popen(
        command((RIGHT,), seeds), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    results = folder / "parity-sweep" / "results"
    while process.poll() is None and len(list(results.rglob("*.json"))) < seeds // 2:
        time.sleep(0.1)
    process.kill()
    process.wait()
    return len(list(results.rglob("*.json")))


def told(found: dict[str, Any], name: str) -> list[str]:
    """Returns a line for each comparison of a program."""
    lines = []
    for row in found["comparisons"]:
        if row["scenario"] == name:
            test = row["equivalence"]
            scale, unit = (1, "epochs") if row["quantity"] == "epochs" else (100, "%")
            low, high = -test["high"] * scale, -test["low"] * scale
            told = row["verdict"]
            if told == "inconclusive":
                is_enough = test["n_needed"] is not None and test["n_needed"] <= test["n"]
                told = "near the margin" if is_enough else f"needs n = {test['n_needed']}"
            lines.append(
                f"  {name:<18}{row['quantity']:<9}{-test['difference'] * scale:>+8.2f}"
                f"{f'{low:+.1f} to {high:+.1f}':>18} {unit:<7}{told}"
            )
    return lines


def main() -> int:
    """Prints what the sweeps find; returns 0 if that is all that it should be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=40, help="of the sweep with mistakes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("swept_keras.py", "swept_torch.py"):
            shutil.copy(PROGRAMS / name, folder)
        ports = {RIGHT: "build", **{fault: fault for fault in FAULTS}}
        table = "\n".join(PROGRAM.format(*each) for each in ports.items())
        (folder / "parity.toml").write_text(table)
        started = time.time()
        before = killed(folder, 5)
        found = result(folder, (RIGHT,), 5)
        runs = found["runs"]
        print(
            f"right port, 5 seeds, 2 workers: killed after {before} of 10 runs, went on with "
            f"{runs['now']}: {found['verdict']} ({time.time() - started:.0f} s)"
        )
        print(*told(found, RIGHT), sep="\n")
        found_by: dict[str, set[float]] = {name: set() for name in ports}
        started = time.time()
        for margin in MARGINS:
            (folder / "parity.toml").write_text(f"margins = {{loss = {margin}}}\n{table}")
            print(f"{options.seeds} seeds, losses within {margin:.0%}; torch - Keras:")
            for name in ports:
                found = result(folder, (name,), options.seeds)
                print(*told(found, name), f"  {'':18}{found['verdict']}", sep="\n")
                if found["verdict"] == "fail":
                    found_by[name].add(margin)
        print(f"{time.time() - started:.0f} s")
        for name in FAULTS:
            print(f"{name}: found by {', '.join(f'{m:.0%}' for m in found_by[name]) or 'none'}")
        return int(bool(found_by[RIGHT]) or not all(found_by[name] for name in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
