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
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import MODES, RunSpec
from parity.programs.scenarios import MARGINS, SCENARIOS, Terms
from parity.programs.spec_record import ProgramSpecRecord, RunSpecRecord
from parity.sweeps.batch import spec_from

if TYPE_CHECKING:
    from parity.sweeps.task import Task

PLAN = "plan.json"
SCHEMA = "parity.sweep.plan/1"
MAX_SEED = 2**32 - 1
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
        specs: settings of each scenario and program, whose seed is that of the run; those of older
            plans are not known.
    """

    mode: str
    margins: str
    command: str
    keys: dict[Place, str]
    terms: dict[str, Terms] = field(default_factory=dict)
    specs: dict[str, RunSpec | ProgramSpec] = field(default_factory=dict)


@records.mirrors(Terms, omit=("expected",))
class TermsRecord:
    """How a program of the user's is judged."""

    cures: records.Name | None


class PlanRecord(records.Record):
    """The plan of a sweep.

    Attributes:
        runs: key of each run: scenario or program -> half -> seed -> key.
        programs: programs of the user's among the runs.
        settings: of each scenario and program; the seed is 0.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    mode: Annotated[str, records.one_of(*MODES)]
    margins: Annotated[str, records.one_of(*MARGINS)]
    command: str
    runs: dict[str, dict[records.Half, dict[str, Key]]]
    programs: dict[str, TermsRecord] | UnsetType = UNSET
    settings: dict[str, dict[str, Any]] | UnsetType = UNSET


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
        "settings": _settings(tasks),
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
    terms = {name: records.domain(Terms, each) for name, each in programs.items()}
    settings = {} if found.settings is UNSET else found.settings
    specs = dict[str, RunSpec | ProgramSpec]()
    for name, values in settings.items():
        kind = ProgramSpecRecord if "program" in values else RunSpecRecord
        records.checked(kind, values, f"settings.{name[:40]}")
        specs[name] = spec_from(values)
    return Plan(found.mode, found.margins, found.command, keys, terms, specs)


def _settings(tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
    """Returns the settings of each scenario and program, all of whose runs differ in the seed."""
    found: dict[str, set[RunSpec | ProgramSpec]] = {}
    for task in tasks:
        found.setdefault(task.spec.name, set()).add(task.spec.replace(seed=0))
    return {name: _told(*specs) for name, specs in found.items() if len(specs) == 1}


def _told(spec: RunSpec | ProgramSpec) -> dict[str, Any]:
    """Returns the settings as files have them, without the path of a folder."""
    return spec.to_dict() if isinstance(spec, RunSpec) else spec.told()


def _places(found: PlanRecord) -> Iterator[tuple[str, int, str, str]]:
    own = () if found.programs is UNSET else found.programs
    for scenario, halves in found.runs.items():
        if scenario not in SCENARIOS and scenario not in own:
            raise ValueError(f"a key of runs is {scenario[:40]!r}, not a scenario of parity list")
        for half, seeds in halves.items():
            for seed, key in seeds.items():
                if not (seed.isdecimal() and len(seed) <= 10 and int(seed) <= MAX_SEED):
                    raise ValueError(f"a key of runs.{scenario}.{half} is {seed[:40]!r}, no seed")
                yield scenario, int(seed), half, key
