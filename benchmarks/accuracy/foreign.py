"""Checks ports by people who had not read this code: benchmarks/foreign has them in sets.

    python benchmarks/accuracy/foreign.py
    python benchmarks/accuracy/foreign.py migrated own_steps
    python benchmarks/accuracy/foreign.py images --only vit cct --told

Each port has a line: its network, its name, the verdict, what was expected, and the first cause of
each divergence by level. `--told` prints what a reader sees of it. Behind each set there is what
counts:

- right ports that pass;
- wrong ports that fail; "at their level", if someone had foretold one;
- wrong ports that are named: a cause with at least 80 % is one of those that tell the mistake, or,
  where nobody had said which, says what is wrong and not where alone.

The exit code is 1 if a right port does not pass, or a wrong one does not fail.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.foreign.case import Case
from parity.errors import InputError, RunError
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions

SETS = ("images", "other_kinds", "migrated", "own_steps", "strangers", "fresh")
# Causes that say where something differs, and not what.
PLACES = frozenset({"N1", "N2", "D13", "E7", "F13", "G13"})
SURE = 0.8  # of a cause whose formula gives the numbers, or whose settings differ so


def spec_of(case: Case) -> CheckSpec:
    """Returns the check of a port."""
    return CheckSpec(keras=case.keras, torch=case.torch, folder=str(case.folder))


def checked(cases: Sequence[Case]) -> Iterator[tuple[Case, Result | str]]:
    """Yields each port with its result, or with the reason why there is none.

    The ports of a network are checked together, and share what Keras computes.
    """
    for _, group in itertools.groupby(cases, key=lambda case: case.network):
        ports = list(group)
        try:
            results = check_all([spec_of(case) for case in ports], CheckOptions())
            yield from zip(ports, results, strict=True)
        except (InputError, RunError) as error:
            yield from ((case, str(error)) for case in ports)


def is_named(case: Case, result: Result) -> bool:
    """Whether a sure cause tells the mistake."""
    sure = {
        cause["id"]
        for one in result.divergences
        for cause in one.causes
        if cause["confidence"] >= SURE
    }
    return bool(sure & set(case.causes) if case.causes else sure - PLACES)


def words(case: Case, result: Result | str) -> list[str]:
    """Returns what counts of a port."""
    verdict = result if isinstance(result, str) else result.verdict
    if not case.mistake:
        return ["right", *(["pass"] if verdict == "pass" else [])]
    found = ["wrong", *(["foretold"] if case.level else [])]
    if isinstance(result, str) or verdict != "fail":
        return found
    found.append("fail")
    if case.level in [one.level for one in result.divergences]:
        found.append("at its level")
    return [*found, "named"] if is_named(case, result) else found


def line(case: Case, result: Result | str) -> str:
    """Returns the line of a port."""
    name = f"{case.network:<24} {case.port:<28}"
    if isinstance(result, str):
        return f"{name} error      {result[:200]}"
    firsts = [
        f"{one.level}:{one.causes[0]['id'] if one.causes else '-'}" for one in result.divergences
    ]
    expected = " ".join([case.level, "/".join(case.causes)]).strip()
    wanted = f"({expected})" if expected else ""
    errors = [error.strip().splitlines()[-1] for error in result.errors if error.strip()]
    parts = [name, f"{result.verdict:<10}", wanted, *firsts, *errors]
    return " ".join(part for part in parts if part)


def told(case: Case, result: Result | str) -> Iterator[str]:
    """Yields what a reader sees of a port."""
    if case.mistake:
        yield f"mistake: {case.mistake}"
    if isinstance(result, str):
        return
    for one in result.divergences:
        yield f"[{one.level}] {one.item.name}"
        for cause in one.causes:
            yield f"  {cause['id']} {cause['title']} ({cause['confidence']:.0%}): {cause['detail']}"
    for each in result.incomplete:
        yield f"incomplete: {each['what']}: {each['why']}"


def counted(counts: Sequence[str]) -> str:
    """Returns the line of a set."""
    number = counts.count
    parts = [
        f"{number('pass')} of {number('right')} right ports pass",
        f"{number('fail')} of {number('wrong')} wrong ones fail",
    ]
    if number("foretold"):
        parts.append(f"{number('at its level')} of {number('foretold')} at the foretold level")
    return "; ".join([*parts, f"{number('named')} are named"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the sets; returns 1 if a verdict is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; default: all"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="networks or ports")
    parser.add_argument("--told", action="store_true", help="print what a reader sees of each")
    parser.add_argument("--out", type=Path, help="file for the results, as JSON")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.sets if name not in SETS]:
        parser.error(f"{', '.join(unknown)}: expected sets of {', '.join(SETS)}")
    results, is_fine = {}, True
    for name in given.sets or SETS:
        counts: list[str] = []
        with tempfile.TemporaryDirectory(prefix="parity-foreign-") as work:
            table = importlib.import_module(f"benchmarks.foreign.{name}.table")
            cases = [
                case
                for case in table.cases(Path(work))
                if not given.only or {case.network, case.port} & {*given.only}
            ]
            for case, result in checked(cases):
                print(line(case, result), flush=True)
                for text in told(case, result) if given.told else ():
                    print("   ", text)
                counts += words(case, result)
                what = {"error": result} if isinstance(result, str) else result.to_json()
                results[f"{name}/{case.network}/{case.port}"] = what
        print(f"{name}: {counted(counts)}\n", flush=True)
        is_fine &= counts.count("pass") + counts.count("fail") == len(cases)
    if given.out:
        given.out.write_text(json.dumps(results, indent=1), "utf-8")
    return int(not is_fine)


if __name__ == "__main__":
    sys.exit(main())
