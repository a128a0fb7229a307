"""Programs of the project's table under test: which one is meant, and whole trainings of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.programs.program_spec import NUM_SEEDS
from parity.programs.tool_table import read_tool_table
from parity.runs.against import changed_files, check_against, run_against
from parity.traces.bundle_spec import SUFFIX, check_archive

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.programs.check_spec import CheckSpec
    from parity.programs.tool_table import Program
    from parity.runs.steps import Unpack
    from parity.sweeps.result import SweepResult
    from parity.testing.assertion import Settings

CHECK, RUN, SWEEP = "check", "run", "sweep"


def of_check(given: Settings) -> dict[str, int]:
    """Returns the settings of a check that a test, or pytest's command line, asks for."""
    found = {"seed": given.seed, "steps": given.steps}
    return {name: value for name, value in found.items() if value is not None}


def check_spec_of(
    name: str,
    level: str,
    seeds: int | Sequence[int] | None,
    asked: Mapping[str, Any],
    given: Settings,
    place: Path | None,
) -> CheckSpec:
    """Returns what is checked of a program.

    Args:
        name: of the program.
        level: "check".
        seeds: None; a check has the seed of the test's settings.
        asked: settings that the test asks for; the others are as the table or the bundle says.
        given: defaults of the test.
        place: a bundle that replaces the Keras half, or a folder with bundles.

    Raises:
        InputError: there is no such program or level, seeds are given, or no bundle is of this
            program.
    """
    if level != CHECK or seeds is not None:
        raise InputError(
            f"level={level!r}, seeds={seeds!r}: expected level='run' or 'sweep', with seeds or "
            "without, or level='check'"
        )
    program, folder = _of_table(name, given)
    asked = {**asked, **of_check(given)}
    spec = program.check_spec(folder, **asked)
    return spec if place is None else check_against(spec, place, *_sought(name, asked, given))


def _sought(name: str, asked: Collection[str], given: Settings) -> tuple[set[str], Path, str]:
    """Returns what is asked for of a program's bundle, the folder of the project, and a name."""
    return {"dtype", *asked}, given.root or Path.cwd(), f"{name}{SUFFIX}"


def train(
    name: str,
    seeds: int | Sequence[int] | None,
    asked: Mapping[str, Any],
    given: Settings,
    out: Path | None,
    place: Path | None,
    unpack: Unpack,
) -> list[Result]:
    """Trains a program with each seed.

    Args:
        name: of the program.
        seeds: how many from 0 on, or which; None: the one of the program.
        asked: settings that the test asks for; the others are as the table or the bundle says.
        given: defaults of the test.
        out: folder for traces and logs; None: nothing is kept.
        place: the bundle of a run that replaces the Keras half, or a folder with bundles.
        unpack: `parity.traces.bundle_run.unpack_run`.

    Returns:
        A result for each training.

    Raises:
        InputError: there is no such program, no seed, no bundle of this training, or a half cannot
            be used.
    """
    from parity.halves.job import ChildOptions
    from parity.programs.tool_table import with_seeds
    from parity.runs.run import run_all
    from parity.runs.steps import Recorded, RunOptions

    program, folder = _of_table(name, given)
    numbers = list(range(seeds) if isinstance(seeds, int) else seeds or ())
    if seeds is not None and not numbers:
        raise InputError(f"seeds={seeds!r}: expected at least one seed")
    if place is None:
        specs, known = with_seeds(program.spec(name, folder, **asked), numbers), None
    else:
        if len(numbers) > 1:
            raise InputError(f"seeds={numbers}: a bundle is of one training; give one seed")
        asked = {**asked, **({"seed": numbers[0]} if numbers else {})}
        spec = program.spec(name, folder, **asked)
        path, recorded = run_against(spec, place, *_sought(name, asked, given))
        specs, known = [recorded], Recorded(path, unpack, tuple(changed_files(recorded, path)))
    children = ChildOptions(given.keras_python, given.torch_python)
    with private_folder("run") as temporary:
        kept = temporary / RUN if out is None else out
        return run_all(specs, RunOptions(out=kept, children=children, against=known))


def bundle_of(name: str, given: Settings) -> tuple[Path | None, str]:
    """Returns the bundle that stands for the Keras half of a program, and the level that it is of.

    It is that of the settings of the test, or else the one that the table names.

    Raises:
        InputError: there is no such program, or its bundle cannot be used.
    """
    program, folder = _of_table(name, given)
    named = None if program.bundle is None else folder / program.bundle
    if (place := given.against or named) is None:
        return None, CHECK
    path = Path(check_spec_of(name, CHECK, None, {}, given, place).against or "")
    return path, RUN if check_archive(path) else CHECK


def sweep(
    name: str, seeds: int | Sequence[int] | None, given: Settings, out: Path | None
) -> SweepResult:
    """Sweeps a program: each half trains by its own random numbers.

    Args:
        name: of the program.
        seeds: how many from 0 on, or which; None: 5.
        given: defaults of the test.
        out: folder for what has finished, which another sweep with it goes on from; None: nothing
            is kept.

    Returns:
        The result, with the verdict "pass", "fail", "inconclusive" or "incomplete".

    Raises:
        InputError: there is no such program, no seed, or a half cannot be used.
    """
    from parity.halves.job import ChildOptions
    from parity.programs.scenarios import Terms
    from parity.programs.tool_table import with_seeds
    from parity.sweeps import local
    from parity.sweeps.result import result_of
    from parity.sweeps.sweep import run_sweep

    program, folder = _of_table(name, given)
    seeds = NUM_SEEDS if seeds is None else seeds
    numbers = list(range(seeds) if isinstance(seeds, int) else seeds)
    if not numbers:
        raise InputError(f"seeds={seeds!r}: expected at least one seed")
    specs = with_seeds(program.spec(name, folder), numbers)
    terms = {name: Terms(None, read_tool_table(given.root or Path.cwd()).margins)}
    with private_folder("sweep") as temporary:
        kept = temporary if out is None else out.absolute()
        options = local.EngineOptions(
            store=str(kept),
            scratch=kept / "batches",
            children=ChildOptions(given.keras_python, given.torch_python),
        )
        found = run_sweep(specs, options, local.run)
    return result_of(found, mode="independent", terms=terms)


def _of_table(name: str, given: Settings) -> tuple[Program, Path]:
    """Returns a program of the project, and the folder of its table."""
    table = read_tool_table(given.root or Path.cwd())
    return table.program(name, f"program={name!r}"), table.folder
