"""Checks the ports of the corpus: do right ones pass, and are wrong ones caught and named?

    python benchmarks/accuracy/corpus.py
    python benchmarks/accuracy/corpus.py pairs fresh/masks_bag idioms/a_swish_function/wrong
    python benchmarks/accuracy/corpus.py pairs --seeds 0:5 --out pairs.json
    python benchmarks/accuracy/corpus.py programs loops --seeds 42 --dtype float32

tests/corpus has a file for each Keras program, with right ports and wrong ones; its README says
how they are written. The ports of `programs` and `loops` are trained whole, beside one training of
Keras. Loops of Lightning, Accelerate and transformers are left out where these are missing. A
wrong port is checked with the first seed, a right one with all. Of each family there is a line with
what counts, and below it what is not as expected:

- right ports that pass; an alarm is a verdict on one that does not. "Differ truly": the port
  differs all the same, and the difference that its case tells is named first;
- wrong ones that fail ("caught");
- "at their level": of those of which a case says the levels. The first difference is there, or,
  of several mistakes in one port, each has one of its own at its level;
- "named first": of those of which a case says the causes. The likeliest cause of the first
  difference is one of them; of several mistakes, each is named so at its level;
- "named": any cause of at least 80 % is one of them, or, where nobody said which, tells what is
  wrong and not where alone;
- "alone": there is no other difference.

The exit code is 0 if all right ports pass and all wrong ones are caught, 1 if not, 2 for wrong use,
3 if a check ended without a verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import numpy as np
from corpus_cases import ANY, Case, Port, cases

from parity.errors import InputError, RunError
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildOptions
from parity.ladder.items import FAIL, LEVEL_IDS, PASS
from parity.ladder.result import Result
from parity.ladder.rounding import LIMITS
from parity.programs.check_spec import CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.settings import DTYPES
from parity.runs.against import run_against
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.runs.record import record_run
from parity.runs.run import run_all
from parity.runs.steps import Recorded, RunOptions
from parity.traces.bundle_run import unpack_run

# Causes that say where something differs, and not what.
PLACES = frozenset({"N1", "N2", "D13", "E7", "F13", "G13"})
SURE = 0.8  # of a cause whose formula gives the numbers, or whose settings differ so
_AT_ONCE = 40  # ports between two looks at the file of results
FORMAT = "parity-corpus-1"
SAMPLES = "samples.py"  # of a case whose checks draw none


@dataclass(frozen=True)
class Row:
    """What a check of a port said.

    Attributes:
        verdict: "pass", "fail", "incomplete" or "error".
        found: (level, item, ((ID, confidence) of each cause)) of each divergence.
        why: of an error, or of what could not be compared.
        share: the greatest share of the allowed difference that a passing item needs.
        share_of: that item.
    """

    verdict: str
    found: tuple[tuple[str, str, tuple[tuple[str, float], ...]], ...] = ()
    why: str = ""
    share: float = 0.0
    share_of: str = ""

    @property
    def firsts(self) -> list[tuple[str, str]]:
        """(level, likeliest cause or "") of each divergence."""
        return [(level, causes[0][0] if causes else "") for level, _, causes in self.found]

    @classmethod
    def of(cls, result: Result) -> Row:
        """Returns the row of a result."""
        open_ = [f"{each['what']}: {each['why']}" for each in result.incomplete]
        share, share_of = _share(result)
        return cls(
            result.verdict,
            tuple(
                (
                    one.level,
                    one.item.name,
                    tuple((cause["id"], cause["confidence"]) for cause in one.causes),
                )
                for one in result.divergences
            ),
            "; ".join([*result.errors, *open_]),
            share,
            share_of,
        )


def _share(result: Result) -> tuple[float, str]:
    """Returns the share of the allowed difference that is nearest to an alarm, and its item.

    Rates are left out, since another rule judges them.
    """
    floor = LIMITS[str(result.spec.get("dtype", "float64"))].floor
    shares = [
        (item.worst / item.allowed, f"{level.id}: {item.name}")
        for level in result.levels
        for item in level.items
        if item.unit == "rel" and item.status == PASS and item.worst > floor
        if item.name != "learning_rate"
    ]
    return max(shares, default=(0.0, ""))


def selected(names: Sequence[str], folder: Path | None = None) -> list[tuple[Case, Port]]:
    """Returns ports, by FAMILY, FAMILY/CASE or FAMILY/CASE/PORT; all by default.

    Raises:
        InputError: a name is none of these.
    """
    every = [(case, port) for case in (cases(folder) if folder else cases()) for port in case.ports]
    known = {n: (case.family, case.key, f"{case.key}/{port.name}") for n, (case, port) in
             enumerate(every)}  # fmt: skip
    if missing := [name for name in names if not any(name in each for each in known.values())]:
        families = sorted({case.family for case, _ in every})
        raise InputError(
            f"{', '.join(missing)}: expected FAMILY, FAMILY/CASE or FAMILY/CASE/PORT, families "
            f"{', '.join(families)}"
        )
    return [one for n, one in enumerate(every) if not names or {*known[n]} & {*names}]


def written(names: Sequence[str], root: Path) -> list[Case]:
    """Writes the selected cases below a new folder; returns them, once each."""
    found = {case.key: case for case, _ in selected(names)}
    for case in found.values():
        case.write(root)
    return [*found.values()]


def checked(
    ports: Sequence[tuple[Case, Port]], settings: dict[str, Any], workers: int | None = None
) -> list[Row]:
    """Checks ports; those of a case share what Keras computes.

    Args:
        ports: ports with their cases, which have one command; those of a case are neighbours.
        settings: fields of `CheckSpec` that all share.
        workers: number of parallel processes.
    """
    left_out = {case.without for case, _ in ports}
    if len(left_out) > 1:
        groups = (list(some) for _, some in groupby(ports, key=lambda each: each[0].without))
        return [row for some in groups for row in checked(some, settings, workers)]
    (without,) = left_out
    levels = [name for name in LEVEL_IDS if name not in without] if without else ()
    children = ChildOptions(timeout_s=3600.0, workers=workers)
    with tempfile.TemporaryDirectory(prefix="parity-corpus-") as name:
        root = Path(name)
        for key, group in groupby(ports, key=lambda each: each[0].key):
            case = next(group)[0]
            assert not (root / key).exists()
            case.write(root)
        try:
            if ports[0][0].command == "run":
                return [*_trained(ports, settings, root, children)]
            specs = [
                CheckSpec(
                    keras=case.reference,
                    torch=case.torch(port),
                    data=_samples(root / case.key) if SAMPLES in case.files else None,
                    folder=name,
                    **settings,
                )
                for case, port in ports
            ]
            options = CheckOptions(children=children, levels=levels)
            return [Row.of(result) for result in check_all(specs, options)]
        except (InputError, RunError) as error:
            if len(ports) > 1:
                return [row for each in ports for row in checked([each], settings, workers)]
            return [Row("error", why=str(error))]


def _samples(folder: Path) -> str:
    """Writes what the samples of a case are, for checks that draw none; returns the file."""
    made = runpy.run_path(str(folder / SAMPLES))
    path = folder / "samples.npz"
    np.savez(path, x=made["x"], y=made["y"])
    return str(path)


def _trained(
    ports: Sequence[tuple[Case, Port]], settings: dict[str, Any], root: Path, children: ChildOptions
) -> Iterator[Row]:
    """Yields the rows of whole trainings; each Keras program is trained once."""
    told = {key: settings[key] for key in ("seed", "dtype")}
    for key, group in groupby(ports, key=lambda each: each[0].key):
        bundle = root / f"{key}.parity"
        for case, port in group:
            factories = {"keras": case.reference, "torch": case.torch(port)}
            spec = ProgramSpec(program=case.name, folder=str(root), **factories, **told)
            if not bundle.exists():
                record_run(spec, bundle, children)
            against = Recorded(bundle, unpack_run)
            options = RunOptions(out=root / port.name, children=children, against=against)
            [result] = run_all([run_against(spec, bundle)[1]], options)
            shutil.rmtree(root / port.name)
            yield Row.of(result)


def in_parts(ports: Sequence[tuple[Case, Port]]) -> Iterator[list[tuple[Case, Port]]]:
    """Yields some ports after the other, and all of a case together."""
    part: list[tuple[Case, Port]] = []
    for _, group in groupby(ports, key=lambda each: each[0].key):
        part += group
        if len(part) >= _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def words(port: Port, row: Row) -> set[str]:
    """Returns what counts of a port."""
    ids = {cause for _, causes in port.expected for cause in causes}
    if port.is_right:
        truly = row.verdict == FAIL and bool(ids) and row.firsts[:1] and row.firsts[0][1] in ids
        return {"right", "pass" if row.verdict == PASS else "truly" if truly else "alarm"}
    levels = [level for level, _ in port.expected if level != ANY]
    found = {"wrong"} | ({"foretold"} if levels else set()) | ({"known"} if ids else set())
    if row.verdict != FAIL:
        return found
    found.add("caught")
    at = [level for level, _ in row.firsts]
    is_several = len(port.expected) > 1
    if levels and (set(levels) <= set(at) if is_several else at[:1] == levels):
        found.add("placed")
    named = [
        any(cause in causes and level in (ANY, there) for there, cause in firsts)
        for level, causes in port.expected
        for firsts in [row.firsts if is_several else row.firsts[:1]]
    ]
    if ids and all(named):
        found.add("first")
    sure = {cause for _, _, causes in row.found for cause, share in causes if share >= SURE}
    if sure & ids if ids else sure - PLACES:
        found.add("named")
    return found | ({"alone"} if len(row.found) == 1 else set())


def line(case: Case, port: Port, row: Row) -> str:
    """Returns the line of a port: what was expected, and the likeliest causes."""
    expected = " ".join(f"({' '.join((level, *ids))})" for level, ids in port.expected)
    found = " ".join(f"{level}:{cause or '-'}" for level, cause in row.firsts)
    why = row.why.strip().splitlines()[-1:] if not row.found else []
    parts = [f"{case.key}/{port.name}", row.verdict, expected, found, *why]
    return "  ".join(part for part in parts if part)[:300]


def summed(counts: Sequence[set[str]]) -> str:
    """Returns what counts of some ports, as one line."""

    def number(*what: str) -> int:
        return sum({*what} <= each for each in counts)

    parts = [f"{number('right')} checks of right ports, {number('alarm')} alarms"]
    if number("truly"):
        parts.append(f"{number('truly')} differ truly")
    parts.append(f"{number('caught')} of {number('wrong')} wrong ones caught")
    if number("foretold"):
        parts.append(f"{number('placed')} of {number('foretold')} at their level")
    if number("known"):
        parts.append(f"{number('first')} of {number('known')} named first")
    return "; ".join([*parts, f"{number('named')} named", f"{number('wrong', 'alone')} alone"])


def table(rows: Sequence[tuple[Case, Port, Row]]) -> Iterator[str]:
    """Yields the wrong ports as lines of a Markdown table."""
    yield "| mistake | case | expected | found |"
    yield "|---|---|---|---|"
    for case, port, row in rows:
        if not port.is_right:
            expected = ", ".join(" ".join((level, *ids)) for level, ids in port.expected)
            found = ", ".join(f"{level} {cause or '-'}" for level, cause in row.firsts)
            what = port.words.splitlines()[0] if port.words else port.name
            yield f"| {what} (`{port.name}`) | {case.name} | {expected} | {found or row.verdict} |"


def ran(
    ports: Sequence[tuple[Case, Port]], seeds: range, given: argparse.Namespace
) -> Iterator[tuple[Case, Port, Row]]:
    """Yields the rows, family by family; those that the file of results has are not made again.

    Raises:
        InputError: the file has other content.
    """
    known = _kept(given.out) if given.out else {}
    settings = {"dtype": given.dtype, "steps": given.steps}
    wanted = [
        (case, port, seed)
        for case, port in ports
        for seed in (seeds if port.is_right else seeds[:1])
    ]
    for _, group in groupby(wanted, key=lambda each: each[0].family):
        of_family = list(group)
        missing = [each for each in of_family if _key(*each, settings) not in known]
        missing.sort(key=lambda each: each[2])  # each seed by itself; a case stays together
        for seed, same in groupby(missing, key=lambda each: each[2]):
            for some in in_parts([(case, port) for case, port, _ in same]):
                rows = checked(some, settings | {"seed": seed}, given.workers)
                for (case, port), row in zip(some, rows, strict=True):
                    known[_key(case, port, seed, settings)] = row
                if given.out:
                    content = {key: asdict(row) for key, row in known.items()}
                    write_json(given.out, {"format": FORMAT, "rows": content})
        yield from ((case, port, known[_key(case, port, seed, settings)])
                    for case, port, seed in of_family)  # fmt: skip


def _key(case: Case, port: Port, seed: int, settings: dict[str, Any]) -> str:
    """Names a check: the port, its settings, and a digest of what is checked."""
    text = json.dumps([case.keras, port.text, case.files])
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    told = " ".join(f"{key}={value}" for key, value in settings.items() if value is not None)
    return f"{case.key}/{port.name} seed={seed} {told} {digest}"


def _row(found: list[Any], **others: Any) -> Row:
    return Row(
        found=tuple((level, item, tuple(map(tuple, causes))) for level, item, causes in found),
        **others,
    )


def _kept(path: Path) -> dict[str, Row]:
    """Returns the rows of a file of results, if it is there."""
    if not path.exists():
        return {}
    try:
        content = read_json(path)
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        return {key: _row(**row) for key, row in content["rows"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected results of this command, or no file ({error})"
        ) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the selected ports; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="FAMILY[/CASE[/PORT]]", help="default: all")
    parser.add_argument("--seeds", default="0", metavar="A:B", help="seeds A to B-1; default: 0")
    parser.add_argument("--kind", choices=("right", "wrong"), help="only these ports")
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="of the ports")
    parser.add_argument("--steps", type=int, help="of the trajectory")
    parser.add_argument("--workers", type=int, help="number of parallel processes")
    parser.add_argument("--all", action="store_true", help="print a line for every port")
    parser.add_argument("--table", action="store_true", help="print wrong ports as Markdown")
    parser.add_argument(
        "--out", type=Path, help="file for the results, as JSON; one that is there is continued"
    )
    given = parser.parse_args(arguments)
    first, _, last = given.seeds.partition(":")
    if not (first.isdigit() and (last or "1").isdigit()):
        parser.error(f"--seeds {given.seeds}: expected A or A:B, whole numbers")
    seeds = range(int(first), int(last) if last else int(first) + 1)
    if not seeds:
        parser.error(f"--seeds {given.seeds}: expected A below B")
    started, code = time.monotonic(), 0
    try:
        ports = selected(given.names)
        if given.kind:
            ports = [each for each in ports if each[1].is_right == (given.kind == "right")]
        needed = {case.key: case.needs for case, _ in ports if case.needs}
        missing = {key for key, name in needed.items() if find_spec(name) is None}
        ports = [each for each in ports if each[0].key not in missing]
        for key in sorted(missing):
            print(f"{key}: not checked, since {needed[key]} is not installed")
        for family, group in groupby(ran(ports, seeds, given), key=lambda each: each[0].family):
            rows = list(group)
            counts = [words(port, row) for _, port, row in rows]
            print(f"{family}: {summed(counts)}")
            for (case, port, row), found in zip(rows, counts, strict=True):
                if given.all or not {"pass", "truly", "first"} & found:
                    print(f"  {line(case, port, row)}")
            nearest = max((row for _, _, row in rows), key=lambda row: row.share)
            if nearest.share:
                print(f"  nearest to an alarm: {nearest.share:.0%} of it, {nearest.share_of}")
            for text in table(rows) if given.table else ():
                print(text)
            sys.stdout.flush()
            if any(
                {"alarm"} <= each or ("wrong" in each and "caught" not in each) for each in counts
            ):
                is_error = any(row.verdict == "error" for _, _, row in rows)
                code = 3 if is_error else max(code, 1)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{time.monotonic() - started:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
