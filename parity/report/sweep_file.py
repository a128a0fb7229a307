"""A sweep from what it has left: `sweep.json`, or the results of the runs that have finished.

In: a folder or a file of `parity.sweep/1`. Out: a `SweepResult`, with a row for every run where the
file has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import InputError, ParityError
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import SCENARIOS
from parity.store import LocalStore
from parity.sweep import Row, Sweep, judge_record
from parity.sweeps.equivalence import EquivalenceRow, ScenarioVerdicts, SweepEquivalence
from parity.sweeps.result import SCHEMA, SweepResult, result_of
from parity.trace import decode_floats
from parity.typed import from_plain

VERDICTS = ("pass", "fail", "inconclusive", "incomplete")


def sweep_from(value: Mapping[str, Any], where: str) -> SweepResult:
    """Returns the sweep that the JSON of `parity.sweep/1` tells of.

    Args:
        value: as read; strings that stand for NaN and infinity are decoded here.
        where: name of the file, for messages.

    Raises:
        InputError: something in it is no such result.
    """
    value = decode_floats(value)
    if value.get("schema") != SCHEMA or value.get("verdict") not in VERDICTS:
        raise InputError(f"{where}: expected a result of {SCHEMA} with a verdict of {VERDICTS}")

    def many(kind: Any, name: str, drop: tuple[str, ...] = ()) -> tuple[Any, ...]:
        rows = value.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise InputError(f"{where}: {name}: expected a list of objects")
        plain = [{k: v for k, v in row.items() if k not in drop} for row in rows]
        return tuple(from_plain(kind, row, f"{where}: {name}[{n}]") for n, row in enumerate(plain))

    runs, wall_s = value.get("runs"), value.get("wall_s")
    if not isinstance(runs, Mapping) or not all(
        isinstance(runs.get(name), int) for name in ("finished", "now")
    ):
        raise InputError(f"{where}: runs: expected the numbers finished, failed and now")
    if not isinstance(wall_s, Mapping) or not all(
        isinstance(seconds, float | int) for seconds in wall_s.values()
    ):
        raise InputError(f"{where}: wall_s: expected seconds by half")
    failures = value.get("failures", [])
    if not isinstance(failures, list) or not all(isinstance(row, Mapping) for row in failures):
        raise InputError(f"{where}: failures: expected a list of objects")
    verdict = value["verdict"]
    return SweepResult(
        verdict=verdict,
        mode=str(value.get("mode")),
        equivalence=SweepEquivalence(
            verdict if verdict != "incomplete" else "inconclusive",
            many(ScenarioVerdicts, "scenarios", ("agrees",)),
            many(EquivalenceRow, "comparisons"),
        ),
        num_runs=runs["finished"],
        num_run_now=runs["now"],
        failures=tuple(dict(row) for row in failures),
        wall_s={half: float(seconds) for half, seconds in wall_s.items()},
        rows=many(Row, "rows"),
        environment=_mapping(value.get("environment", {}), f"{where}: environment"),
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected an object")
    return dict(value)


def sweep_of_store(folder: Path) -> tuple[SweepResult, tuple[str, ...]]:
    """Returns what the finished runs of a folder say, and what of them cannot be used.

    Where a run is there twice, as of two versions of the code, the one that finished last counts.
    """
    store = LocalStore(folder)
    rows: dict[tuple[str, int, str], tuple[float, Row]] = {}
    problems, modes = [], set()
    versions: dict[str, Any] = {}
    for key in sorted(store.finished()):
        try:
            record = store.get(key)
            spec = RunSpec.from_dict(record["spec"])
            judgement, wall_s = judge_record(record, spec)
            half, started = str(record["half"]), float(record["run"]["started"])
        except (ParityError, KeyError, TypeError, ValueError) as error:
            problems.append(f"results/{key[:2]}/{key[:12]}...json cannot be used ({error})")
            continue
        if spec.scenario not in SCENARIOS:
            problems.append(
                f"{spec.scenario} seed {spec.seed} {half}: not a scenario of parity list"
            )
            continue
        if half == "torch":
            modes.add(spec.mode)
        versions[half] = {"versions": record.get("versions")}
        place = (spec.scenario, spec.seed, half)
        row = Row(spec.scenario, spec.seed, half, judgement, wall_s, key)
        if place not in rows or rows[place][0] < started:
            rows[place] = (started, row)
    if not rows:
        raise InputError(f"{folder}: no run of the sweep has finished; give its command again")
    mode = modes.pop() if len(modes) == 1 else "independent"
    found = Sweep(rows=[row for _, (_, row) in sorted(rows.items())])
    return result_of(found, mode=mode, is_whole=False, environment=versions), tuple(problems)
