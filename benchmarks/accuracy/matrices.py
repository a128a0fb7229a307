"""Kill matrix and null matrix of `parity check`: `python benchmarks/accuracy/matrices.py`.

Null matrix: right ports, written in many ways, over several seeds; every alarm is false. It also
prints by how much right ports differ, in units of the change by one unit in the last place of the
weights in Keras; LIMITS of `parity/ladder/rounding.py` are the limits for that. Kill matrix:
ports with one mistake each; whether it is caught, at which level, and under which name. The
held-out cases belong to both, and were written without knowledge of the registry; so were the
idioms, some of which have three mistakes at once.

    python benchmarks/accuracy/matrices.py                   both
    python benchmarks/accuracy/matrices.py --null --seeds 0:5
    python benchmarks/accuracy/matrices.py --kill --only adam
    python benchmarks/accuracy/matrices.py --held-out        both for held-out cases, with one seed
    python benchmarks/accuracy/matrices.py --idioms --seeds 0:2   both for idioms of PyTorch code
    python benchmarks/accuracy/matrices.py --metrics --seeds 0:5   both for metrics by hand
    python benchmarks/accuracy/matrices.py --losses --seeds 0:5    both for several losses
    python benchmarks/accuracy/matrices.py --images      both for random layers of images
    python benchmarks/accuracy/matrices.py --dtype float32 --seeds 0   ports as they stand
    python benchmarks/accuracy/matrices.py --json FILE       all outcomes, for machines
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.held_out import table as held_out
from benchmarks.idioms import table as idioms
from benchmarks.idioms.table import Triple
from benchmarks.image_cases import table as image_cases
from benchmarks.loss_cases import table as loss_cases
from benchmarks.metric_cases import table as metric_cases
from benchmarks.pairs.fault_table import FAULTS, Fault
from benchmarks.pairs.table import NULL, Pair
from parity.halves.options import ChildOptions
from parity.ladder.items import FAIL, PASS, Level
from parity.ladder.result import Result
from parity.ladder.rounding import LIMITS
from parity.programs.check_spec import CheckSpec
from parity.programs.settings import DTYPES
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check of one pair.

    Attributes:
        name: name of the port.
        model: name of the Keras factory.
        seed: of the check.
        verdict: "pass", "fail", "incomplete" or "error".
        level: the first level that failed, "" if none did.
        item: the first item of this level that failed, or the message of the error.
        ids: IDs of the causes of the first divergence, the likeliest first.
        others: "level ID" of each further divergence, with its likeliest cause.
        share: the greatest share of the allowed difference that an item above the floor needs.
        share_of: that item.
    """

    name: str
    model: str
    seed: int
    verdict: str
    level: str
    item: str
    ids: tuple[str, ...]
    others: tuple[str, ...]
    share: float
    share_of: str


def run_pairs(
    pairs: Sequence[Pair | Fault | Triple],
    seed: int,
    workers: int | None,
    timeout_s: float = 3600.0,
    dtype: str = "float64",
    steps: int | None = None,
) -> list[Outcome]:
    """Checks pairs; those of one Keras model share its trace."""
    options = CheckOptions(children=ChildOptions(timeout_s=timeout_s, workers=workers))
    specs = [_spec(pair, seed, dtype).replace(steps=steps) for pair in pairs]
    results = check_all(specs, options) if pairs else []
    return [_outcome(pair, seed, result) for pair, result in zip(pairs, results, strict=True)]


def run_cases(
    cases: Any, only: str, seed: int, workers: int | None, dtype: str = "float64"
) -> tuple[list[Outcome], list[Outcome], list[Fault]]:
    """Checks the cases of a table that have `only` in their name.

    Args:
        cases: module with RIGHT and FAULTS.
        only: part of the names.
        seed: of the checks.
        workers: number of parallel processes.
        dtype: of the ports.

    Returns:
        The outcomes of the right ports, the outcomes of the wrong ports, and the wrong ports.
    """
    right = [pair for pair in cases.RIGHT if only in pair.name]
    wrong = [fault for fault in cases.FAULTS if only in fault.name]
    outcomes = run_pairs([*right, *wrong], seed, workers, dtype=dtype)
    return outcomes[: len(right)], outcomes[len(right) :], wrong


def _spec(pair: Pair | Fault | Triple, seed: int, dtype: str) -> CheckSpec:
    return CheckSpec(keras=pair.keras, torch=pair.torch, dtype=dtype, seed=seed, folder=str(ROOT))


def _outcome(pair: Pair | Fault | Triple, seed: int, result: Result) -> Outcome:
    failed = next((level for level in result.levels if level.status == FAIL), None)
    failed = failed if result.first is None else _level(result, result.first.level)
    item = failed.first_failure if failed else None
    share, share_of = _share(result)
    return Outcome(
        name=pair.name,
        model=pair.keras.rpartition(":")[2],
        seed=seed,
        verdict=result.verdict,
        level=failed.id if failed else "",
        item=item.name if item else "; ".join(result.errors) or _open(result),
        ids=tuple(cause["id"] for cause in result.causes),
        others=tuple(
            f"{found.level} {found.causes[0]['id'] if found.causes else '-'}"
            for found in result.divergences[1:]
        ),
        share=share,
        share_of=share_of,
    )


def _level(result: Result, name: str) -> Level:
    return next(level for level in result.levels if level.id == name)


def _open(result: Result) -> str:
    """Returns what could not be compared."""
    return "; ".join(f"{entry['what']}: {entry['why']}" for entry in result.incomplete)


def _share(result: Result) -> tuple[float, str]:
    """Returns the greatest share of the allowed difference that a passing item needs, and the item.

    Rates are left out, since another rule judges them.
    """
    worst, name = 0.0, ""
    floor = LIMITS[str(result.spec.get("dtype", "float64"))].floor
    for level in result.levels:
        for item in level.items:
            is_noise = item.unit == "rel" and item.status == PASS and item.worst > floor
            is_rate = item.name == "learning_rate"
            if is_noise and not is_rate and item.worst / item.allowed > worst:
                worst, name = item.worst / item.allowed, f"{level.id}: {item.name}"
    return worst, name


def show_null(outcomes: Sequence[Outcome], dtype: str) -> int:
    """Prints the null matrix; returns the number of alarms."""
    true = [o for o in outcomes if idioms.differs_truly(o.name, o.verdict, o.ids)]
    alarms = [outcome for outcome in outcomes if outcome.verdict != PASS and outcome not in true]
    names = dict.fromkeys((outcome.model, outcome.name) for outcome in outcomes)
    print(f"null matrix: {len(names)} right ports, {len(outcomes)} checks, {len(alarms)} alarms")
    for outcome in true:
        print(f"  {outcome.name} (seed {outcome.seed}) differs truly: {outcome.ids[0]}")
    for alarm in alarms:
        print(f"  {alarm.name} (seed {alarm.seed}): {alarm.verdict} {alarm.level} {alarm.item}")
    limits = LIMITS[dtype]
    print(f"nearest to an alarm, of what differs by more than {limits.floor:g}:")
    for outcome in sorted(outcomes, key=lambda outcome: -outcome.share)[:5]:
        times = outcome.share * limits.factor
        print(
            f"  {times:.1f} of {limits.factor:g} times the noise: {outcome.name}, "
            f"seed {outcome.seed}, {outcome.share_of}"
        )
    return len(alarms)


def show_kill(outcomes: Sequence[Outcome], faults: Sequence[Fault]) -> int:
    """Prints the kill matrix; returns the number of faults that were not caught."""
    by_name = {fault.name: fault for fault in faults}
    rows = [(by_name[outcome.name], outcome) for outcome in outcomes]
    caught = [o.verdict == FAIL for _, o in rows]
    placed = [o.level == fault.level for fault, o in rows]
    named = [o.ids[:1] != () and o.ids[0] in fault.ids for fault, o in rows]
    listed = [any(i in fault.ids for i in o.ids) for fault, o in rows]
    print(f"kill matrix: {len(rows)} faults of {len({f.ids[0] for f, _ in rows})} kinds")
    print(f"  caught             {sum(caught)}")
    print(f"  at the right level {sum(placed)}")
    print(f"  named first        {sum(named)}")
    print(f"  named at all       {sum(listed)}")
    print(f"  with nothing else  {sum(not o.others for _, o in rows)}")
    for (fault, outcome), is_caught, is_placed, is_named in zip(
        rows, caught, placed, named, strict=True
    ):
        if not (is_caught and is_placed and is_named):
            found = f"{outcome.level or outcome.verdict} {','.join(outcome.ids) or '-'}"
            what = "NOT CAUGHT " if not is_caught else ""
            print(
                f"  {fault.name:26} {what}expected {fault.level} {'/'.join(fault.ids)}, "
                f"found {found}: {outcome.item[:60]}"
            )
        if outcome.others:
            print(f"  {fault.name:26} also {', '.join(outcome.others)}")
    return len(rows) - sum(caught)


def show_triples(outcomes: Sequence[Outcome], triples: Sequence[Triple]) -> int:
    """Prints how many of three mistakes at once are in one report; returns the missed ones."""
    whole = missed = 0
    lines = []
    for triple, outcome in zip(triples, outcomes, strict=True):
        found = [f"{outcome.level} {outcome.ids[0] if outcome.ids else '-'}", *outcome.others]
        left = [
            ids for ids, level in triple.mistakes if not any(f"{level} {i}" in found for i in ids)
        ]
        places = [
            level for _, level in triple.mistakes if not any(f.split()[0] == level for f in found)
        ]
        missed += len(places)
        whole += not left
        if left:
            lines.append(f"  {triple.name:26} not named {left}, found {', '.join(found)}")
    print(f"three mistakes at once: {len(triples)} ports, {missed} mistakes missed")
    print(f"  all three named    {whole}")
    print(*lines, sep="\n")
    return missed


def main() -> None:
    """Runs the requested matrices."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kill", action="store_true", help="only the kill matrix")
    parser.add_argument("--null", action="store_true", help="only the null matrix")
    parser.add_argument("--held-out", action="store_true", help="only the held-out cases")
    parser.add_argument("--idioms", action="store_true", help="only the idioms")
    parser.add_argument("--metrics", action="store_true", help="only the metrics by hand")
    parser.add_argument("--losses", action="store_true", help="only several losses and weights")
    parser.add_argument("--images", action="store_true", help="only random layers of images")
    parser.add_argument(
        "--seeds", default="0:5", help="seeds A to B-1 of the null matrix; the others use A"
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="of the ports")
    parser.add_argument("--json", type=Path, help="write all outcomes to this file")
    parser.add_argument("--only", default="", help="only ports with this text in their name")
    parser.add_argument("--workers", type=int, help="number of parallel processes")
    arguments = parser.parse_args()
    start, _, stop = arguments.seeds.partition(":")
    seeds = range(int(start), int(stop) if stop else int(start) + 1)
    missed, results, began = 0, {}, time.monotonic()
    own = ("held_out", "idioms", "metrics", "losses", "images")
    is_set = any(getattr(arguments, name) for name in own)

    def given(seed: int) -> tuple[str, int, int | None, str]:
        return arguments.only, seed, arguments.workers, arguments.dtype

    sets = (
        *(("held_out", held_out), ("idioms", idioms)),
        *(("metrics", metric_cases), ("losses", loss_cases)),
        ("images", image_cases),
    )
    for name, cases in sets:
        if not getattr(arguments, name):
            continue
        right, wrong, faults = run_cases(cases, *given(seeds[0]))
        for seed in seeds[1:] if name != "held_out" else ():
            right += run_cases(cases, *given(seed))[0]
        missed += show_null(right, arguments.dtype) + show_kill(wrong, faults)
        results[name] = {
            "null": [asdict(outcome) for outcome in right],
            "kill": [asdict(outcome) for outcome in wrong],
        }
    if arguments.idioms:
        triples = [triple for triple in idioms.TRIPLES if arguments.only in triple.name]
        found = run_pairs(triples, seeds[0], arguments.workers, dtype=arguments.dtype)
        missed += show_triples(found, triples)
        results["triples"] = [asdict(outcome) for outcome in found]
    if arguments.null or not (arguments.kill or is_set):
        pairs = [pair for pair in NULL if arguments.only in pair.name]
        outcomes = []
        for seed in seeds:
            outcomes += run_pairs(pairs, seed, arguments.workers, dtype=arguments.dtype)
            print(f"seed {seed}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        missed += show_null(outcomes, arguments.dtype)
        results["null"] = [asdict(outcome) for outcome in outcomes]
    if arguments.kill or not (arguments.null or is_set):
        faults = [fault for fault in FAULTS if arguments.only in fault.name]
        outcomes = run_pairs(faults, seeds[0], arguments.workers, dtype=arguments.dtype)
        missed += show_kill(outcomes, faults)
        results["kill"] = [asdict(outcome) for outcome in outcomes]
    print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
