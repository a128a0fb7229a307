"""`parity check` of large networks against their twins, and against twins with one fault each.

    python benchmarks/accuracy/large_faults.py
    python benchmarks/accuracy/large_faults.py norm_epsilon relu6   these faults only
    python benchmarks/accuracy/large_faults.py EfficientNetB0       those of this network
    python benchmarks/accuracy/large_faults.py --json FILE          all outcomes, for machines

Prints the verdict, the level and the place of each. All ports of a network share one trace of
Keras. Initial weights are not compared: a twin gets those of Keras.
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
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.large.fault_table import FAULTS, MODULES, Fault
from parity.halves.job import ChildOptions
from parity.ladder.items import LEVEL_IDS
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

RIGHT = "right"


def write_configs(folder: Path, names: list[str]) -> None:
    """Writes the configs of networks, of which the twins are built, to a folder; tells children."""
    writer = ROOT / "benchmarks" / "large" / "keras_models.py"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, writer, folder, *names], check=True, env=environment)
    os.environ["PARITY_CONFIGS"] = str(folder)


def outcome(name: str, result: Result) -> dict[str, Any]:
    """Returns the verdict on a port, and where its first divergence is."""
    first = result.first
    cause = result.causes[0] if result.causes else {}
    return {
        "name": name,
        "verdict": result.verdict,
        "level": first.level if first else "",
        "place": first.item.name if first else "; ".join(result.errors),
        "cause": cause.get("id", ""),
        "number": len(result.divergences),
    }


def checked(network: str, faults: list[Fault]) -> list[dict[str, Any]]:
    """Checks the twin of a network, and those with its faults; returns the outcomes."""
    ports = [f"torch_models:{network}", *(f"{MODULES[network]}:{fault.name}" for fault in faults)]
    options = CheckOptions(
        children=ChildOptions(timeout_s=7200.0, workers=1),
        levels=[level for level in LEVEL_IDS if level != "init"],
    )
    keras = f"benchmarks.large.keras_models:{network}"
    specs = [
        CheckSpec(keras=keras, torch=f"benchmarks.large.{each}", folder=str(ROOT)) for each in ports
    ]
    names = [f"{RIGHT} {network}", *(fault.name for fault in faults)]
    results = check_all(specs, options)
    return [outcome(name, result) for name, result in zip(names, results, strict=True)]


def main() -> int:
    """Checks the ports; returns how many faults were not found where they are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="faults or networks; default: all")
    parser.add_argument("--json", type=Path, help="file for all outcomes")
    given = parser.parse_args()
    wanted = {*given.names}
    faults = [
        fault
        for fault in FAULTS
        if not wanted or not wanted.isdisjoint((fault.name, fault.network))
    ]
    networks = [name for name in MODULES if any(fault.network == name for fault in faults)]
    began, found = time.monotonic(), []
    missed, alarms = list[str](), 0
    with tempfile.TemporaryDirectory(prefix="parity-large-") as folder:
        write_configs(Path(folder), networks)
        for network in networks:
            own = [fault for fault in faults if fault.network == network]
            rows = checked(network, own)
            for row in rows:
                print("{name:23}{verdict:11}{level:11}{cause:5}{number:>3}  {place}".format(**row))
            missed += [
                fault.name
                for fault, row in zip(own, rows[1:], strict=True)
                if row["level"] != fault.level or fault.place not in row["place"]
            ]
            alarms += rows[0]["verdict"] != "pass"
            found += rows
    print(f"{len(faults) - len(missed)} of {len(faults)} faults at their level and place", end="")
    print(f"; {alarms} false alarms; {time.monotonic() - began:.0f} s", *missed)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return len(missed) + alarms


if __name__ == "__main__":
    sys.exit(main())
