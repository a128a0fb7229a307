"""A program of the project's table under test: its check, or whole trainings of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import InputError

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.programs.program_spec import ProgramSpec
    from parity.testing.assertion import Settings

CHECK, RUN = "check", "run"


def program_results(
    name: str, level: str, seeds: int | Sequence[int] | None, given: Settings, out: Path | None
) -> list[Result]:
    """Returns the result of a check, or one for each training.

    Args:
        name: of the program.
        level: "check": a few batches; "run": whole trainings.
        seeds: of the trainings: how many from 0 on, or which; None: one, with the seed that the
            program has.
        given: defaults of the test.
        out: folder for traces and logs; None: nothing is kept.

    Raises:
        InputError: there is no such program, or it cannot be used.
    """
    from parity.programs.tool_table import read_tool_table

    table = read_tool_table(given.root or Path.cwd())
    if name not in table.programs:
        known = ", ".join(table.programs) or "none"
        raise InputError(
            f"program={name!r}: expected one of [tool.parity.programs], which has {known}"
        )
    program = table.programs[name]
    if level == RUN:
        return _trained(program.spec(name, table.folder), seeds, given, out)
    if level != CHECK or seeds is not None:
        raise InputError(
            f"level={level!r}, seeds={seeds!r}: expected level='run', with seeds or without, or "
            "level='check'"
        )
    from parity.halves.options import ChildOptions
    from parity.runs.check import check_all
    from parity.runs.check_options import CheckOptions, allowed_by_user

    spec = program.check_spec(table.folder, seed=given.seed, steps=given.steps)
    options = CheckOptions(
        out=out,
        children=ChildOptions(given.keras_python, given.torch_python),
        levels=given.levels,
        **allowed_by_user(given.root or Path.cwd(), given.tolerance, given.accept),
    )
    return check_all([spec], options)


def _trained(
    spec: ProgramSpec, seeds: int | Sequence[int] | None, given: Settings, out: Path | None
) -> list[Result]:
    """Trains a program with each seed."""
    from parity.halves.options import ChildOptions
    from parity.programs.program import check_files
    from parity.runs.run import run_all
    from parity.runs.run_options import RunOptions

    check_files(spec)
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    specs = [spec]
    if numbers is not None:
        specs = [spec.replace(seed=seed, sets_seed=True) for seed in numbers]
    if not specs:
        raise InputError(f"seeds={seeds!r}: expected at least one seed")
    children = ChildOptions(given.keras_python, given.torch_python)
    with tempfile.TemporaryDirectory(prefix="parity-run-") as temporary:
        folder = Path(temporary) / RUN if out is None else out
        return run_all(specs, RunOptions(out=folder, children=children))
