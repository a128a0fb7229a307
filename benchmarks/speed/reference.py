"""The reference benchmarks of a machine, kept as dated JSON: python benchmarks/speed/reference.py

    python benchmarks/speed/reference.py                    # this machine's CPU, all of them
    python benchmarks/speed/reference.py --device cuda      # its GPU
    python benchmarks/speed/reference.py programs bf16      # some of them
    python benchmarks/speed/reference.py --show             # ratios of the kept results

Each is a `parity bench`. Its result goes to `benchmarks/speed/results/DATE-DEVICE-NAME.json`,
without paths of this machine, and is shown as ratios and, of whole trainings, as the lines of a
table of docs/performance.md. Nothing else should run at the same time. Without a GPU that both
frameworks see, `--device cuda` is refused before anything is measured. `parity bench ... --compare
FILE` finds later what became slower.
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
# What prints how many GPUs a framework sees. A process of its own keeps none of them.
PROBES = {
    "torch": "import torch; print(torch.cuda.device_count())",
    "tensorflow": "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))",
}
# The columns of a table of docs/performance.md.
COLUMNS = {
    "keras": "Keras",
    "torch-eager": "plain loop",
    "torch": "`torch_impl.fit`",
    "torch-compiled": "compiled",
}


def main() -> None:
    """Runs the requested benchmarks, and says which could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(CPU)}; default: all")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=7, help="at least 3")
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
    if given.rounds < 3:
        parser.error(f"--rounds {given.rounds}: expected at least 3")
    if given.device == "cuda" and (reason := refusal()):
        parser.exit(2, f"{parser.prog}: {reason}\n")
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


def refusal() -> str | None:
    """Returns why a GPU cannot be measured here, in a line; None if both frameworks see one."""
    for name, code in PROBES.items():
        ended = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True
        )
        if ended.returncode:
            why = (ended.stderr.strip().splitlines() or ["no message"])[-1]
            return f"--device cuda: {name} does not start: {why}"
        if int(ended.stdout.split()[-1]) == 0:
            return (
                f"--device cuda: {name} sees no GPU: expected a machine with one, and a {name} "
                "that is built for it; nothing was measured"
            )
    return None


def show(content: dict[str, Any]) -> None:
    """Prints the lines of a table, and then `torch` against each other row of its cell."""
    print("\n".join(table(content)))
    ratios(content)


def table(content: dict[str, Any]) -> list[str]:
    """Returns medians of whole trainings, a line for each batch size and precision."""
    rows = [row for row in content["rows"] if row["part"] == "train"]
    cells = list(dict.fromkeys((row["batch_size"], row["precision"]) for row in rows))
    program, lines = content["spec"]["scenario"], []
    for cell in cells:
        here = [row for row in rows if (row["batch_size"], row["precision"]) == cell]
        found = {row["variant"]: row for row in here if row["status"] == "ok"}
        speeds = [f"{found[v]['median']:,.0f}" if v in found else "–" for v in COLUMNS]
        lines.append(f"| `{program}`, {cell[1]} | {cell[0]} | {' | '.join(speeds)} |")
    if not lines:
        return []
    titles = ["program", "batch", *COLUMNS.values()]
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *lines]


def ratios(content: dict[str, Any]) -> None:
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
            found = [a / b for a, b in pairs]
            print(
                f"{row['part']}, batch {row['batch_size']}: torch {row['precision']} against "
                f"{other['variant']} {other['precision']}: {statistics.median(found):.2f} "
                f"({min(found):.2f} to {max(found):.2f}, {len(found)} pairs)"
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
