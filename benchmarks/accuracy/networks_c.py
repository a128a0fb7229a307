"""Nineteen networks with a right port and three wrong ones each: `networks_c.py [NAME ...]`.

Each line has the network, the port, its verdict, and the causes that were named first of each
divergence, by level. The exit code is 1 if a right port does not pass, or a wrong one does not
fail.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.networks_c.table import FAULTS, NETWORKS
from parity.ladder.result import Result
from parity.runs.check import CheckOptions, CheckSpec, check_all

FOLDER = ROOT / "benchmarks" / "networks_c"
# Causes that say where something differs, and not what.
PLACES = {"N1", "N2", "D13", "E7", "F13", "G13"}


def spec_of(network: str, port: str) -> CheckSpec:
    """Returns the check of one port of a network."""
    return CheckSpec(
        keras=f"{FOLDER}/originals/{network}.py:build", torch=f"{FOLDER}/ports/{network}.py:{port}"
    )


def firsts(result: Result) -> list[tuple[str, str]]:
    """Returns the level of each divergence, and the ID of its first cause, or "-"."""
    return [
        (found.level, found.causes[0]["id"] if found.causes else "-")
        for found in result.divergences
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the ports and counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    names = parser.parse_args(arguments).names or NETWORKS
    cases = [(name, "right", None) for name in names]
    cases += [(fault.network, fault.port, fault) for fault in FAULTS if fault.network in names]
    results = check_all([spec_of(name, port) for name, port, _ in cases], CheckOptions())
    counts = dict.fromkeys(["right", "caught", "at its level", "with what is wrong"], 0)
    for (name, port, fault), result in zip(cases, results, strict=True):
        told = firsts(result)
        print(f"{name:17} {port:8} {result.verdict:10}", *(f"{a}:{b}" for a, b in told))
        if fault is None:
            counts["right"] += result.verdict == "pass"
            continue
        counts["caught"] += result.verdict == "fail"
        counts["at its level"] += fault.level in [level for level, _ in told]
        counts["with what is wrong"] += any(id_ not in {*PLACES, "-"} for _, id_ in told)
    num_wrong = len(cases) - len(names)
    print(f"of {len(names)} right ports and {num_wrong} wrong ones:", counts)
    return int(counts["right"] < len(names) or counts["caught"] < num_wrong)


if __name__ == "__main__":
    sys.exit(main())
