"""What a sweep is to run, and by which margins it is judged: `plan.json` in its folder.

It is written before the first run. An unfinished sweep, of which only the store tells, is therefore
judged by its own margins, and the runs that it still lacks are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from parity.files import records
from parity.files.json_io import write_json
from parity.programs.run_spec import MODES
from parity.programs.scenarios import MARGINS, SCENARIOS, Margins, Terms

if TYPE_CHECKING:
    from parity.sweeps.task import Task

PLAN = "plan.json"
SCHEMA = "parity.sweep.plan/1"
MAX_BYTES = 100_000_000  # a run needs 75; the default sweep with strict margins has 15,796

Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Place = tuple[str, int, str]  # scenario or program, seed, half


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep.

    Attributes:
        mode: "seeded" or "independent".
        margins: "visible" or "strict".
        command: as it was typed.
        keys: of the task of each run, in order, by its place.
        terms: how the programs of the user's are judged, by name.
    """

    mode: str
    margins: str
    command: str
    keys: dict[Place, str]
    terms: dict[str, Terms] = field(default_factory=dict)


@records.mirrors(Margins)
class MarginsRecord:
    """Largest differences that count as equivalent, as fractions."""


class TermsRecord(records.Record):
    """How a program of the user's is judged.

    Attributes:
        cures: the program for which it is the remedy.
        margins: of the program.
    """

    cures: records.Name | None
    margins: MarginsRecord


class PlanRecord(records.Record):
    """The plan of a sweep.

    Attributes:
        runs: key of each run: scenario or program -> half -> seed -> key.
        programs: programs of the user's among the runs.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    mode: Annotated[str, records.one_of(*MODES)]
    margins: Annotated[str, records.one_of(*MARGINS)]
    command: str
    runs: dict[str, dict[records.Half, dict[str, Key]]]
    programs: dict[str, TermsRecord] | UnsetType = UNSET


def write_plan(
    folder: Path,
    tasks: Sequence[Task],
    *,
    mode: str,
    margins: str,
    command: str,
    terms: Mapping[str, Terms] | None = None,
) -> None:
    """Writes the plan of a sweep into its folder.

    Args:
        folder: folder of the sweep, which exists.
        tasks: a task for each run and half; see `planned`.
        mode: "seeded" or "independent".
        margins: "visible" or "strict".
        command: as it was typed.
        terms: of the programs of the user's among the runs.

    Raises:
        OSError: it cannot be written.
    """
    runs: dict[str, dict[str, dict[str, str]]] = {}
    for task in tasks:
        seeds = runs.setdefault(task.spec.name, {}).setdefault(task.half, {})
        seeds[str(task.spec.seed)] = task.key
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "mode": mode,
        "margins": margins,
        "command": command,
        "runs": runs,
    }
    if terms:
        told["programs"] = {
            name: {"cures": each.cures, "margins": asdict(each.margins)}
            for name, each in terms.items()
        }
    write_json(folder / PLAN, told)


def read_plan(folder: Path) -> Plan | None:
    """Reads the plan in the folder of a sweep; None if it has none.

    Raises:
        InputError: it cannot be read, or is no plan.
    """
    path = folder / PLAN
    if not path.is_file():
        return None
    return records.read_record(PlanRecord, path, _plan, max_bytes=MAX_BYTES)


def _plan(found: PlanRecord) -> Plan:
    keys = {(scenario, seed, half): key for scenario, seed, half, key in _places(found)}
    programs = {} if found.programs is UNSET else found.programs
    terms = {
        name: Terms(each.cures, records.domain(Margins, each.margins))
        for name, each in programs.items()
    }
    return Plan(found.mode, found.margins, found.command, keys, terms)


def _places(found: PlanRecord) -> Iterator[tuple[str, int, str, str]]:
    own = () if found.programs is UNSET else found.programs
    for scenario, halves in found.runs.items():
        if scenario not in SCENARIOS and scenario not in own:
            raise ValueError(f"a key of runs is {scenario[:40]!r}, not a scenario of parity list")
        for half, seeds in halves.items():
            for seed, key in seeds.items():
                if not seed.isdecimal():
                    raise ValueError(f"a key of runs.{scenario}.{half} is {seed[:40]!r}, no seed")
                yield scenario, int(seed), half, key
