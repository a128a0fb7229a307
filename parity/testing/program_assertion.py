"""Programs of the project's table under test: which one is meant, and whole trainings of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.programs.program_spec import NUM_SEEDS
from parity.programs.tool_table import read_tool_table
from parity.traces.bundle_spec import SUFFIX, are_same_factory, check_archive, find_bundle

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.tool_table import Program
    from parity.runs.steps import Unpack
    from parity.sweeps.result import SweepResult
    from parity.testing.assertion import Settings

CHECK, RUN, SWEEP = "check", "run", "sweep"


def check_spec_of(
    name: str,
    level: str,
    seeds: int | Sequence[int] | None,
    dtype: str | None,
    given: Settings,
    against: Path | None = None,
) -> CheckSpec:
    """Returns what is checked of a program.

    Args:
        name: of the program.
        level: "check".
        seeds: None; a check has the seed of the test's settings.
        dtype: None: as the table says.
        given: defaults of the test; its `against` holds bundles that replace the Keras half.
        against: the bundle that replaces it.

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
    spec = program.check_spec(folder, seed=given.seed, steps=given.steps, **_given(dtype))
    if against is not None:
        from parity.traces.bundle_spec import read_spec

        recorded = read_spec(against).keras or ""
        if not are_same_factory(str(program.keras), recorded):
            raise InputError(
                f"{against}: it is of {recorded}, and program={name!r} has {program.keras}"
            )
    elif given.against is not None:
        against = find_bundle(given.against, spec, given.root or Path.cwd())
    if against is None:
        return spec
    # The bundle has the dtype.
    return spec.replace(keras=None, arguments=(), dtype="float64", against=os.fspath(against))


def train(
    name: str,
    seeds: int | Sequence[int] | None,
    dtype: str | None,
    given: Settings,
    out: Path | None,
    against: Path | None = None,
    unpack: Unpack | None = None,
) -> list[Result]:
    """Trains a program with each seed.

    Args:
        name: of the program.
        seeds: how many from 0 on, or which; None: the one of the program.
        dtype: of the training; None: as the table says.
        given: defaults of the test; its `against` holds bundles that replace the Keras half.
        out: folder for traces and logs; None: nothing is kept.
        against: the bundle of a run that replaces it.
        unpack: `parity.traces.bundle_run.unpack_run`, if there may be one.

    Returns:
        A result for each training.

    Raises:
        InputError: there is no such program, no seed, no bundle of this training, or a half cannot
            be used.
    """
    from parity.halves.job import ChildOptions
    from parity.programs.tool_table import with_seeds
    from parity.runs.against import changed_files
    from parity.runs.run import run_all
    from parity.runs.steps import Recorded, RunOptions

    program, folder = _of_table(name, given)
    numbers = list(range(seeds) if isinstance(seeds, int) else seeds or ())
    if seeds is not None and not numbers:
        raise InputError(f"seeds={seeds!r}: expected at least one seed")
    spec = program.spec(name, folder, **_given(dtype))
    known = None
    if (place := against or given.against) is None:
        specs = with_seeds(spec, numbers)
    else:
        assert unpack is not None
        path, recorded = _recorded(spec, numbers, place)
        specs, known = [recorded], Recorded(path, unpack, tuple(changed_files(recorded, path)))
    children = ChildOptions(given.keras_python, given.torch_python)
    with private_folder("run") as temporary:
        kept = temporary / RUN if out is None else out
        return run_all(specs, RunOptions(out=kept, children=children, against=known))


def _recorded(spec: ProgramSpec, seeds: Sequence[int], place: Path) -> tuple[Path, ProgramSpec]:
    """Returns the bundle of a run, and the spec of the training against it.

    Args:
        spec: of the training.
        seeds: that are asked for; empty: as recorded.
        place: the bundle, or a folder in and below which it is searched.

    Raises:
        InputError: none is of this training, or several are.
    """
    from parity.runs.against import recorded_spec

    if len(seeds) > 1:
        raise InputError(f"seeds={list(seeds)}: a bundle is of one training; give one seed")
    asked = {"dtype"}
    if seeds:
        spec, asked = spec.replace(seed=seeds[0]), asked | {"seed"}
    if not place.is_dir():
        return place, recorded_spec(spec, place, asked)
    found, problems = [], []
    for path in sorted(place.rglob(f"*{SUFFIX}")):
        try:
            found.append((path, recorded_spec(spec, path, asked)))
        except InputError as error:
            problems.append(str(error))
    if len(found) == 1:
        return found[0]
    shown = ", ".join(str(path) for path, _ in found[:5])
    raise InputError(
        f"{place}: several bundles are of a run of {spec.program!r}: {shown}; keep one of them"
        if found
        else f"{place}: there is no bundle of a run of {spec.program!r}; record it with `parity "
        "record --run`" + "".join(f"; {line}" for line in problems[:5])
    )


def bundle_of(name: str, given: Settings) -> tuple[Path | None, str]:
    """Returns the bundle that a program of the table names, and the level that it is of.

    Raises:
        InputError: there is no such program, or its bundle cannot be used.
    """
    program, folder = _of_table(name, given)
    if program.bundle is None:
        return None, CHECK
    path = folder / program.bundle
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


def _given(dtype: str | None) -> dict[str, str]:
    return {} if dtype is None else {"dtype": dtype}


def _of_table(name: str, given: Settings) -> tuple[Program, Path]:
    """Returns a program of the project, and the folder of its table."""
    table = read_tool_table(given.root or Path.cwd())
    return table.program(name, f"program={name!r}"), table.folder
