"""Ports of attention and normalisations: `python benchmarks/accuracy/attention.py`.

Right ports in the ways in which people write them must pass, and each wrong one must fail and be
named. `--only NAME` chooses ports, `--seeds 0:3` other probes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.accuracy.matrices import run_cases
from benchmarks.attention import table


def main() -> None:
    """Prints a line for each port, and how many were judged right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition(":")
    seeds = range(int(first), int(last) if last else int(first) + 1)
    counts = dict.fromkeys(("passed", "right", "caught", "named", "wrong"), 0)
    for seed in seeds:
        right, wrong, faults = run_cases(table, arguments.only, seed, arguments.workers)
        for outcome in right:
            counts["right"] += 1
            counts["passed"] += outcome.verdict == "pass"
            print(f"{outcome.name:<28} {outcome.verdict:<11} {outcome.level} {outcome.item}")
        for outcome, fault in zip(wrong, faults, strict=True):
            is_caught = outcome.verdict == "fail" and outcome.level == fault.level
            is_named = is_caught and bool(outcome.ids) and outcome.ids[0] in fault.ids
            counts["wrong"] += 1
            counts["caught"] += outcome.verdict == "fail"
            counts["named"] += is_named
            mark = "" if is_named else f"  expected {fault.level} {','.join(fault.ids)}"
            found = f"{outcome.level} {','.join(outcome.ids[:2])} {outcome.item}"
            more = f" + {', '.join(outcome.others)}" if outcome.others else ""
            print(f"{outcome.name:<28} {outcome.verdict:<11} {found}{more}{mark}")
    print(f"right ports: {counts['passed']} of {counts['right']} pass")
    print(f"wrong ports: {counts['caught']} of {counts['wrong']} caught, {counts['named']} named")


if __name__ == "__main__":
    main()
