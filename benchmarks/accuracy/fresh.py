"""python benchmarks/accuracy/fresh.py [FAMILY ...] [--only NAME,NAME] [--told]: fresh ports.

Checks the ports of benchmarks/fresh, and prints a line for each family: verdicts of the right
ports, and how many faults are caught and named. A fault is named if a cause with a percentage
has one of the IDs that a reader found to tell it. `--told` prints what the reader sees.
"""

import argparse
import importlib
import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.fresh.fault import Fault
from parity.runs.check import CheckOptions, CheckSpec, Result, check_all

FAMILIES = ("masks", "attention", "recurrent", "outputs", "later")
SURE = 0.8  # of a cause whose formula gives the numbers, or whose settings differ so


def main() -> int:
    """Checks the ports of the families; returns 1 if one is called wrong, or a fault is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=FAMILIES)
    parser.add_argument("--only", default="", help="names of ports")
    parser.add_argument("--told", action="store_true", help="print what is told of each")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    args = parser.parse_args()
    only, results, is_fine = set(args.only.split(",")) - {""}, {}, True
    for family in args.families:
        names = [name for name in names_of(family) if not only or name in only]
        if not names:
            continue
        cases = [case(family, name) for name in names]
        found = check_all([spec for spec, _ in cases], CheckOptions())
        right: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        for name, (_, fault), result in zip(names, cases, found, strict=True):
            results[f"{family}/{'wrong' if fault else 'right'}/{name}"] = result.to_json()
            if fault is None:
                right[result.verdict] += 1
                is_fine &= result.verdict == "pass"
            else:
                faults["all"] += 1
                faults["caught"] += result.verdict == "fail"
                faults["named"] += named(result, fault)
                is_fine &= result.verdict == "fail"
            unexpected = result.verdict != "pass" if fault is None else not named(result, fault)
            if args.told or unexpected:
                show(name, fault, result)
        verdicts = ", ".join(f"{number} {verdict}" for verdict, number in right.items())
        told = ", ".join(f"{number} {word}" for word, number in faults.items())
        print(f"{family}: right ports: {verdicts}; faults: {told}", flush=True)
    if args.out:
        args.out.write_text(json.dumps(results))
    return 0 if is_fine else 1


def names_of(family: str) -> list[str]:
    """Returns the names of the ports of a family, the right ones first."""
    cases = importlib.import_module(f"benchmarks.fresh.{family}.cases")
    return [*cases.RIGHT, *cases.WRONG]


def case(family: str, name: str) -> tuple[CheckSpec, Fault | None]:
    """Returns the check of a port, and its mistake; None for a right one."""
    cases = importlib.import_module(f"benchmarks.fresh.{family}.cases")
    fault = cases.WRONG.get(name)
    model = cases.RIGHT[name] if fault is None else fault.model
    package, kind = f"benchmarks.fresh.{family}", "right" if fault is None else "wrong"
    spec = CheckSpec(
        keras=f"{package}.keras_models:{model}", torch=f"{package}.{kind}:{name}", folder=str(ROOT)
    )
    return spec, fault


def named(result: Result, fault: Fault) -> bool:
    """Whether a cause that tells the mistake is among those with a percentage."""
    causes = [cause for each in result.to_json()["divergences"] for cause in each["causes"]]
    return any(c["id"] in fault.names and c["confidence"] >= SURE for c in causes)


def show(name: str, fault: Fault | None, result: Result) -> None:
    """Prints what a reader is told."""
    print(f"  {name}: {result.verdict}; wanted: {fault.wanted if fault else 'pass'}")
    for error in result.errors:
        print("    error:", error[:600])
    for each in result.to_json()["divergences"]:
        print(f"    [{each['level']}] {each['item']}")
        for cause in each["causes"]:
            print(f"      {cause['id']} {cause['title']}: {cause['detail']}")
    for entry in result.incomplete:
        print(f"    incomplete: {entry['what']}: {entry['why']}")


if __name__ == "__main__":
    sys.exit(main())
