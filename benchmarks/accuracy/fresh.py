"""python benchmarks/accuracy/fresh.py [FAMILY ...] [--only NAME,NAME]: checks fresh ports."""

import argparse
import importlib
import json
import sys
from pathlib import Path

from parity.runs.check import CheckOptions, CheckSpec, Result, check_all

FAMILIES = ("masks", "attention", "recurrent", "outputs", "later")
ROOT = Path(__file__).parents[2]


def main() -> int:
    """Checks the ports of the families."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=FAMILIES)
    parser.add_argument("--only", default="", help="names of ports")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    only = set(args.only.split(",")) - {""}
    told = {}
    for family in args.families:
        cases = importlib.import_module(f"benchmarks.fresh.{family}.cases")
        right = [(name, model, "right") for name, model in cases.RIGHT.items()]
        wrong = [(name, fault.model, "wrong") for name, fault in cases.WRONG.items()]
        ports = [port for port in right + wrong if not only or port[0] in only]
        specs = [spec(family, *port) for port in ports]
        for (name, _, kind), result in zip(ports, check_all(specs, CheckOptions()), strict=True):
            told[f"{family}/{kind}/{name}"] = result.to_json()
            print(f"{family} {kind:5} {name}: {result.verdict}")
            show(result)
    if args.out:
        args.out.write_text(json.dumps(told))
    return 0


def spec(family: str, name: str, model: str, kind: str) -> CheckSpec:
    """A port of a family and its model."""
    package = f"benchmarks.fresh.{family}"
    return CheckSpec(
        keras=f"{package}.keras_models:{model}", torch=f"{package}.{kind}:{name}", folder=str(ROOT)
    )


def show(result: Result) -> None:
    """Prints what a reader is told."""
    for error in result.errors:
        print("   error:", error[:600])
    print(json.dumps(result.to_json().get("divergences"), indent=1)[:3000])
    print("   incomplete:", result.incomplete)


if __name__ == "__main__":
    sys.exit(main())
