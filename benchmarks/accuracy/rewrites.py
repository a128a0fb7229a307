"""Null audit by rewriting: `python benchmarks/accuracy/rewrites.py`.

Every right port of the project is written in three other ways (`benchmarks/rewrites.py`): retraced
by torch.fx, called by functional_call, with its images as channels last. A check must pass as it
does for the port itself; every alarm is false. Ports that a rewrite cannot express are counted.

    python benchmarks/accuracy/rewrites.py --every 3     every third port
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.matrices import Outcome, run_pairs
from benchmarks.idioms.table import differs_truly
from benchmarks.pairs.table import Pair
from benchmarks.rewrites import PORTS, REWRITES
from parity.ladder.items import PASS

# What torch itself raises for a program that is not written for another layout of its memory.
_OF_TORCH = ("view size is not compatible", "NotRewritten")


def outcome_of(outcome: Outcome, name: str) -> str:
    """Returns "pass", "not rewritten", "differs truly", or the verdict of an alarm."""
    if outcome.verdict == PASS:
        return PASS
    if any(text in outcome.item for text in _OF_TORCH):
        return "not rewritten"
    if differs_truly(name, outcome.verdict, outcome.ids):
        return "differs truly"
    return outcome.verdict


def main() -> None:
    """Checks the rewritten ports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=REWRITES, action="append", help="only these rewrites")
    parser.add_argument("--every", type=int, default=1, help="checks every N-th port")
    parser.add_argument("--seed", type=int, default=0, help="seed of the checks")
    parser.add_argument("--workers", type=int, help="number of parallel processes")
    arguments = parser.parse_args()
    began, alarms = time.monotonic(), 0
    numbers = range(0, len(PORTS), arguments.every)
    kinds = arguments.kind or list(REWRITES)
    pairs = [
        Pair(PORTS[number].keras, f"benchmarks.rewrites:{kind}_{number}")
        for kind in kinds
        for number in numbers
    ]
    outcomes = run_pairs(pairs, arguments.seed, arguments.workers)
    for place, kind in enumerate(kinds):
        counts: Counter[str] = Counter()
        for number, outcome in zip(
            numbers, outcomes[place * len(numbers) : (place + 1) * len(numbers)], strict=True
        ):
            found = outcome_of(outcome, PORTS[number].name)
            counts[found] += 1
            if found not in (PASS, "not rewritten", "differs truly"):
                alarms += 1
                print(f"  {kind} of {PORTS[number].name}: {found} {outcome.level} {outcome.item}")
        told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        print(f"{kind}: {len(numbers)} ports: {told}")
    print(f"{alarms} alarms, {time.monotonic() - began:.0f} s")
    sys.exit(alarms > 0)


if __name__ == "__main__":
    main()
