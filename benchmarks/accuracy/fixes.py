"""Whether the fixes that `parity check` prints end their divergence.

    python benchmarks/accuracy/fixes.py                wrong ports of pairs and held_out
    python benchmarks/accuracy/fixes.py pairs/adam
    python benchmarks/accuracy/fixes.py --json FILE    all outcomes, for machines

Each wrong port is checked. For every divergence with a fix that was tried, the port is built again
in another process with that change, and checked again: the divergence is ended if all items that
showed it agree now. The rest is counted too: divergences with a mechanical fix of the registry that
was printed untried, and those for which changes were tried in vain.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.corpus import Case, Port, selected, written
from parity.divergences import REGISTRY
from parity.divergences.causes import IN_VAIN, fixes_of, sites_of
from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.ladder.items import DIFFERS, FAIL
from parity.ladder.result import Found, Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.traces.bundle import pack
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

ENDED, LEFT, VAIN, UNTRIED, ADVICE = "ended", "not ended", "in vain", "untried", "advice"
BAR = 0.95

# A factory of a wrong port with a change. `{changes}` are plain values.
_FACTORY = """
def {name}():
    built = load_factory("--torch", {torch!r}, {folder!r})()
    return changed_port(as_port(built), json.loads({changes!r}))
"""
_HEAD = '''"""Wrong ports, each with a change."""

import json

from parity.programs.factories import load_factory
from torch_impl import Port
from parity.halves.torch.check.fixes.made import changed_port


def as_port(built):
    return built if isinstance(built, Port) else Port(built)

'''


@dataclass(frozen=True)
class Row:
    """One divergence of a wrong port.

    Attributes:
        fault: name of the port.
        level: of the divergence.
        item: the first item that shows it.
        id: the likeliest cause.
        fix: what is printed.
        status: "ended": the fix does what it says; "not ended": it does not; "in vain": changes
            were tried, and none is printed; "untried": a mechanical fix of the registry is printed
            as it is; "advice": what is printed is no change of a setting.
    """

    fault: str
    level: str
    item: str
    id: str
    fix: str
    status: str


def faults_of(names: Sequence[str]) -> list[tuple[Case, Port]]:
    """Returns the wrong ports of the corpus that are selected."""
    return [each for each in selected(names) if not each[1].is_right]


def run(faults: Sequence[tuple[Case, Port]], seed: int, workers: int | None) -> list[Row]:
    """Checks wrong ports, and again with each fix that was tried."""
    with tempfile.TemporaryDirectory(prefix="parity-fixes-") as name:
        root = Path(name)
        children = ChildOptions(timeout_s=3600.0, workers=workers)
        corpus = root / "corpus"
        written(list({case.key for case, _ in faults}), corpus)
        specs = [
            CheckSpec(keras=case.reference, torch=case.torch(port), seed=seed, folder=str(corpus))
            for case, port in faults
        ]
        first = _checked(specs, root / "first", children)
        rows, tried, bundles = [], [], {}
        for (case, port), (result, folder) in zip(faults, first, strict=True):
            for found in result.divergences:
                row = _row(port.name if port.name != "wrong" else case.name, found)
                rows.append(row)
                if found.causes and found.causes[0]["tried"]:
                    keras, trace = _traces(folder)
                    records = fixes_of(found, sites_of(found, keras, trace), trace)
                    changes = [change for record in records for change in record["change"]]
                    tried.append((len(rows) - 1, case.key, found, (case.torch(port), changes)))
                    if case.key not in bundles:
                        bundles[case.key] = root / f"{len(bundles)}.parity"
                        pack(RunFolder(folder).half("keras").path, bundles[case.key])
        _write(root / "changed_ports.py", corpus, [changed for *_, changed in tried])
        specs = [
            CheckSpec(
                against=str(bundles[case]),
                torch=f"{root}/changed_ports.py:changed_{number}",
                seed=seed,
                folder=str(corpus),
            )
            for number, (_, case, _, _) in enumerate(tried)
        ]
        again = _checked(specs, root / "again", children) if specs else []
        for (place, _, found, _), (result, _) in zip(tried, again, strict=True):
            status = ENDED if _is_ended(found, result) else LEFT
            rows[place] = Row(**{**asdict(rows[place]), "status": status})
        return rows


def _checked(
    specs: Sequence[CheckSpec], out: Path, children: ChildOptions
) -> list[tuple[Result, Path]]:
    """Returns the results with their folders."""
    results = check_all(specs, CheckOptions(out=out, children=children))
    names = [f"{number:03d}" if len(specs) > 1 else "" for number in range(len(specs))]
    return [(result, out / name) for result, name in zip(results, names, strict=True)]


def _traces(folder: Path) -> tuple[Trace, Trace]:
    halves = (RunFolder(folder).half(half).path for half in ("keras", "torch"))
    keras, port = (Trace(path) for path in halves)
    return keras, port


def _row(fault: str, found: Found) -> Row:
    cause = found.causes[0] if found.causes else {"id": "", "fix": ""}
    is_mechanical = bool(cause["id"]) and REGISTRY[cause["id"]].is_mechanical
    status = VAIN if cause["fix"] == IN_VAIN else UNTRIED if is_mechanical else ADVICE
    return Row(fault, found.level, found.item.name, cause["id"], cause["fix"], status)


def _write(path: Path, folder: Path, ports: Sequence[tuple[str, list[Any]]]) -> None:
    text = _HEAD
    for number, (torch, changes) in enumerate(ports):
        given = {"torch": torch, "folder": str(folder), "changes": json.dumps(changes)}
        text += _FACTORY.format(name=f"changed_{number}", **given)
    path.write_text(text, encoding="utf-8")


def _is_ended(found: Found, result: Result) -> bool:
    """Whether all items that showed a divergence agree now."""
    level = next((level for level in result.levels if level.id == found.level), None)
    if level is None or result.errors:
        return False
    still = {item.name for item in level.items if item.status in (FAIL, DIFFERS)}
    return not still & {found.item.name, *found.items}


def show(rows: Sequence[Row]) -> float:
    """Prints the counts and what is not ended; returns the share of tried fixes that end theirs."""
    counts = Counter(row.status for row in rows)
    tried = counts[ENDED] + counts[LEFT]
    share = counts[ENDED] / tried if tried else 1.0
    print(f"{len(rows)} divergences of {len({row.fault for row in rows})} wrong ports")
    print(f"  fix tried and printed      {tried}")
    print(f"    ends its divergence      {counts[ENDED]} ({share:.1%})")
    print(f"  tried in vain, not printed {counts[VAIN]}")
    print(f"  mechanical, but not tried  {counts[UNTRIED]}")
    print(f"  advice, or no cause        {counts[ADVICE]}")
    for status in (LEFT, VAIN, UNTRIED):
        for row in rows:
            if row.status == status:
                fix = "" if status == VAIN else f": {row.fix[:60]}"
                print(f"  {status:9} {row.fault:32} {row.level} {row.id} {row.item[:40]}{fix}")
    return share


def main() -> None:
    """Runs the faults whose names are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="FAMILY[/CASE[/PORT]]", help="default: pairs held_out"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all outcomes to this file")
    parser.add_argument("--workers", type=int, help="number of parallel processes")
    arguments = parser.parse_args()
    try:
        faults = faults_of(arguments.names or ("pairs", "held_out"))
    except InputError as error:
        parser.error(str(error))
    began = time.monotonic()
    rows = run(faults, arguments.seed, arguments.workers)
    share = show(rows)
    print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        text = json.dumps([asdict(row) for row in rows], indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    sys.exit(share < BAR)


if __name__ == "__main__":
    main()
