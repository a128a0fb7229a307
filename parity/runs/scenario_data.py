"""The data of a built-in scenario, looked at before its halves begin."""

from __future__ import annotations

from typing import Any

from parity.data.load import run_data
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import ScenarioSpec


def told_data(spec: ProgramSpec) -> dict[str, Any]:
    """Returns the source and the digests of the data of a scenario; a program has its own.

    Raises:
        InputError: the data cannot be used, or the halves are to draw other random numbers.
    """
    if not isinstance(spec, ScenarioSpec):
        return {}
    if spec.run.mode != "seeded":
        raise InputError(
            f"mode={spec.run.mode!r}: expected 'seeded', since runs that draw other random numbers "
            "cannot be compared step by step; use `parity sweep`"
        )
    return {"source": spec.run.data, "sha256": run_data(spec.run).sha256}
