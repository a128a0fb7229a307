"""python benchmarks/accuracy/strangers.py [PAIR ...] [--told] [--out FILE]: strangers' ports.

Checks the right port of each pair of benchmarks/strangers, and three copies with one mistake each,
which are written to a temporary folder. Prints a line for each port: verdict, level and place of
the first divergence, and its causes. The exit code is 1 if a right port does not pass, or a wrong
one does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.strangers.mistakes import FAMILIES, MISTAKES
from parity.errors import InputError, RunError
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions

SOURCE = ROOT / "benchmarks" / "strangers"
RIGHT = "right"


def write_copies(pair: str, package: Path) -> None:
    """Writes the ports with a mistake beside the right one.

    Raises:
        ValueError: a text that is to be changed is not there.
    """
    right = (package / pair / f"{RIGHT}.py").read_text(encoding="utf-8")
    for mistake in MISTAKES[pair]:
        text = right
        for old, new in mistake.changes:
            if old not in text:
                raise ValueError(f"{pair}, {mistake.name}: {old!r} is not in the right port")
            text = text.replace(old, new)
        (package / pair / f"{mistake.name}.py").write_text(text, encoding="utf-8")


def checked(pair: str, folder: Path) -> dict[str, Result]:
    """Returns the results of the ports of a pair by name, the right one first."""
    names = [RIGHT, *(mistake.name for mistake in MISTAKES[pair])]
    specs = [
        CheckSpec(
            keras=f"strangers.{pair}.keras_model:build",
            torch=f"strangers.{pair}.{name}:build",
            folder=str(folder),
        )
        for name in names
    ]
    return dict(zip(names, check_all(specs, CheckOptions()), strict=True))


def line(result: Result) -> str:
    """Returns what a check says, in a line."""
    first = result.first
    where = f"{first.level} {first.item.name}" if first else "; ".join(result.errors)
    causes = " ".join(str(cause.get("id")) for cause in result.causes)
    return f"{result.verdict:<10} {where[:70]:<70} {causes}".rstrip()


def main() -> int:
    """Checks the pairs; returns 1 if a verdict is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", nargs="*", help="names; default: all")
    parser.add_argument("--told", action="store_true", help="print what each mistake is")
    parser.add_argument("--out", type=Path, help="file for the results, as JSON")
    given = parser.parse_args()
    pairs = given.pairs or [name for names in FAMILIES.values() for name in names]
    results, num_wrong = {}, 0
    with tempfile.TemporaryDirectory(prefix="parity-strangers-") as folder:
        package = Path(folder) / "strangers"
        shutil.copytree(SOURCE, package)
        for pair in pairs:
            write_copies(pair, package)
            try:
                found = checked(pair, Path(folder))
            except (InputError, RunError) as error:
                print(f"{pair}: {error}", flush=True)
                num_wrong += 1 + len(MISTAKES[pair])
                continue
            told = {mistake.name: mistake.what for mistake in MISTAKES[pair]}
            for name, result in found.items():
                results[f"{pair}/{name}"] = result.to_json()
                num_wrong += result.verdict != ("pass" if name == RIGHT else "fail")
                print(f"{pair + ' ' + name:<34} {line(result)}", flush=True)
                if given.told and name in told:
                    print(f"    {told[name]}", flush=True)
    if given.out:
        given.out.write_text(json.dumps(results), encoding="utf-8")
    print(f"{len(results)} ports, {num_wrong} not as expected")
    return int(num_wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
