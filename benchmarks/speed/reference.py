"""The reference benchmarks of a machine, kept as dated JSON: python benchmarks/speed/reference.py

    python benchmarks/speed/reference.py                    # this machine's CPU, all of them
    python benchmarks/speed/reference.py --device cuda      # its GPU
    python benchmarks/speed/reference.py programs bf16      # some of them
    python benchmarks/speed/reference.py --show             # ratios of the kept results

Each is a `parity bench`. Its result goes to `benchmarks/speed/results/DATE-DEVICE-NAME.json`,
without paths of this machine, and is shown as tables. Nothing else should run at the same time.
`parity bench ... --compare FILE` finds later what became slower. docs/performance.md has the
results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "speed" / "results"

# name: command lines of `parity bench`, a file each
CPU = {
    "programs": {
        "dropout": ["dropout", "--variants", "keras,torch-eager,torch,torch-own"],
        "augmentation": ["augmentation"],
        "capacity": ["capacity"],
    },
    "bf16": {
        "bf16": [
            *("dropout", "--precision", "fp32,bf16", "--across-precision"),
            *("--variants", "keras,torch"),
        ]
    },
    "parts": {
        "parts": ["dropout", "--parts", "step,input,augment,startup", "--gate-seeds", "0"],
        "step-128": [
            *("capacity", "--parts", "step", "--batch-size", "128", "--gate-seeds", "0"),
        ],
    },
    "variants": {
        "variants": [
            *("dropout", "--variants", "keras,keras-tuned,keras-torch,torch,torch-compiled"),
            *("--gate-seeds", "8"),
        ]
    },
}
_GPU = [
    *("--device", "cuda", "--batch-size", "32,128,512", "--precision", "fp32,tf32,bf16,fp16"),
    *("--across-precision", "--train-size", "4096"),
    *("--variants", "keras,keras-tuned,torch-eager,torch,torch-compiled"),
]
CUDA = {
    "programs": {name: [name, *_GPU] for name in ("dropout", "augmentation", "capacity")},
    "parts": {
        "parts": [
            *("dropout", "--device", "cuda", "--parts", "step,input,augment,startup"),
            *("--batch-size", "32,512", "--gate-seeds", "0"),
        ]
    },
}


def main() -> None:
    """Runs the requested benchmarks, and says which could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(CPU)}; default: all")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--show", action="store_true", help="measure nothing")
    given = parser.parse_args()
    if given.show:
        for path in sorted(RESULTS.glob("*.json")):
            print(f"\n{path.stem}")
            show(json.loads(path.read_text(encoding="utf-8")))
        return
    known = CPU if given.device == "cpu" else CUDA
    unknown = sorted(set(given.names) - set(known))
    if unknown:
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(known)}")
    RESULTS.mkdir(exist_ok=True)
    codes = {}
    for group in given.names or known:
        for name, arguments in known[group].items():
            path = RESULTS / f"{time.strftime('%Y-%m-%d')}-{given.device}-{name}.json"
            options = ["--rounds", str(given.rounds), "--json", str(path)]
            command = [sys.executable, "-m", "parity", "bench", *arguments, *options]
            print(f"\n$ parity bench {' '.join(arguments)} --rounds {given.rounds}\n", flush=True)
            codes[name] = subprocess.run(command, check=False, cwd=ROOT).returncode
            if path.exists():
                content = without_places(json.loads(path.read_text(encoding="utf-8")))
                path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
                show(content)
    wrong = [f"{name} (exit code {code})" for name, code in codes.items() if code]
    if wrong:
        sys.exit(f"not measured: {', '.join(wrong)}")


def show(content: dict[str, Any]) -> None:
    """Prints the speed of `torch` relative to each other row with its part and batch size."""
    rows = [row for row in content["rows"] if row["status"] == "ok"]
    for row in rows:
        for other in rows:
            cells = {(each["part"], each["batch_size"], each["unit"]) for each in (row, other)}
            if row["variant"] != "torch" or other["variant"] == "torch" or len(cells) > 1:
                continue
            pairs = list(zip(row["values"], other["values"], strict=True))
            if row["unit"] == "s":
                pairs = [(b, a) for a, b in pairs]
            ratios = [a / b for a, b in pairs]
            print(
                f"{row['part']}, batch {row['batch_size']}: torch {row['precision']} against "
                f"{other['variant']} {other['precision']}: {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)"
            )


def without_places(value: Any) -> Any:
    """Returns a JSON value without paths of the machine and its kernel build."""
    if isinstance(value, list):
        return [without_places(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: without_places(item) for name, item in value.items() if name != "executable"}
    if isinstance(kept.get("system"), str):
        kept["system"] = kept["system"].partition("-")[0]
    return kept


if __name__ == "__main__":
    main()
