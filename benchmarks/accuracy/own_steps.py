"""python benchmarks/accuracy/own_steps.py [NAME ...] [--told] [--out FILE]: own train_steps.

Checks the ports of benchmarks/own_steps against the Keras models with a `train_step` of their own,
and prints a line for each. A wrong port is named if a cause that was written down for it before is
the first of a divergence. `--told` prints what a reader sees. The exit code is 1 if a right port
does not pass, or a wrong one does not fail.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.own_steps.table import RIGHT, WRONG
from parity.runs.check import CheckOptions, CheckSpec, check_all

KERAS, TORCH = "benchmarks/own_steps/steps_keras.py", "benchmarks/own_steps/steps_torch.py"


def main() -> int:
    """Checks the ports and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--told", action="store_true", help="print what is told of each")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    arguments = parser.parse_args()
    names = arguments.names or [*RIGHT, *WRONG]
    specs = [
        CheckSpec(keras=f"{KERAS}:{model_of(name)}", torch=f"{TORCH}:{name}", folder=str(ROOT))
        for name in names
    ]
    found = [result.to_json() for result in check_all(specs, CheckOptions())]
    if arguments.out:
        arguments.out.write_text(json.dumps(dict(zip(names, found, strict=True)), indent=1))
    missed = []
    for name, result in zip(names, found, strict=True):
        firsts = [[cause["id"] for cause in d["causes"][:1]] for d in result["divergences"]]
        line = f"{name:20} {result['verdict']:10}"
        expected = "pass"
        if name in WRONG:
            expected, wrong = "fail", WRONG[name]
            is_named = any(first and first[0] in wrong.causes for first in firsts)
            line += f" {'named' if is_named else '-':6} {'/'.join(wrong.causes):12}"
        print(line, " ".join("/".join(first) or "?" for first in firsts), flush=True)
        if arguments.told:
            show(result)
        if result["verdict"] != expected:
            missed.append(name)
    print(f"{len(names) - len(missed)} of {len(names)} as expected; not: {missed}")
    return int(bool(missed))


def model_of(name: str) -> str:
    """The Keras model of a port."""
    return WRONG[name].model if name in WRONG else name.partition("__")[0]


def show(result) -> None:
    """Prints divergences with their causes, and what is open."""
    for d in result["divergences"]:
        print("   ", d["level"], d.get("items"), d.get("message", ""))
        for cause in d["causes"]:
            print("       ", {k: v for k, v in cause.items() if k in ("id", "confidence", "fix")})
    print("   ", result["incomplete"], result.get("errors"))


if __name__ == "__main__":
    sys.exit(main())
