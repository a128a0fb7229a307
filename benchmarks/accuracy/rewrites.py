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
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.corpus import Case, Port, Row, checked, in_parts, selected, words
from benchmarks.rewrites import REWRITES

# What torch itself raises for a program that is not written for another layout of its memory.
_OF_TORCH = ("view size is not compatible", "NotRewritten")
_FAMILIES = ("pairs", "held_out", "idioms")
# A module of which only the names are filled in, by what the corpus allows as names.
_MODULE = """import sys
from pathlib import Path

sys.path.append({root!r})
from {case}_{port} import build as original

from benchmarks.rewrites import rewritten


def build():
    return rewritten({kind!r}, {case!r}, {port!r}, original)
"""


def rewrites(ports: Sequence[tuple[Case, Port]], kind: str) -> Iterator[tuple[Case, Port]]:
    """Yields right ports in another way, in cases that have the ports, too."""
    for case, group in groupby(ports, key=lambda each: each[0]):
        right = [port for _, port in group]
        made = [
            replace(
                port,
                name=f"{kind}_of_{port.name}",
                text=_MODULE.format(root=str(ROOT), case=case.name, port=port.name, kind=kind),
            )
            for port in right
        ]
        whole = replace(case, ports=(*right, *made))
        yield from ((whole, port) for port in made)


def outcome_of(port: Port, row: Row) -> str:
    """Returns "pass", "not rewritten", "truly", or the verdict of an alarm."""
    if "alarm" not in words(port, row):
        return "pass" if row.verdict == "pass" else "differs truly"
    return "not rewritten" if any(text in row.why for text in _OF_TORCH) else row.verdict


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
    ports = [each for each in selected(_FAMILIES) if each[1].is_right][:: arguments.every]
    for kind in arguments.kind or REWRITES:
        counts: Counter[str] = Counter()
        for some in in_parts([*rewrites(ports, kind)]):
            rows = checked(some, {"seed": arguments.seed}, arguments.workers)
            for (case, port), row in zip(some, rows, strict=True):
                found = outcome_of(port, row)
                counts[found] += 1
                if found not in ("pass", "not rewritten", "differs truly"):
                    alarms += 1
                    print(f"  {case.key}/{port.name}: {found} {row.firsts} {row.why}")
        told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        print(f"{kind}: {len(ports)} ports: {told}", flush=True)
    print(f"{alarms} alarms, {time.monotonic() - began:.0f} s")
    sys.exit(alarms > 0)


if __name__ == "__main__":
    main()
