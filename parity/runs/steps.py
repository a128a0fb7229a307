"""Steps that runs and checks share: a half is planned, levels make a verdict, a result is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parity.files.json_io import write_json
from parity.ladder.items import FAIL, PASS, Level
from parity.ladder.result import ERROR, Result
from parity.programs.check_spec import CheckSpec
from parity.programs.run_spec import RunSpec
from parity.traces.folder import RunFolder


def planned(half: RunFolder, spec: RunSpec | CheckSpec) -> Path:
    """Makes the folder of a half, with the spec that its child is given; returns its path."""
    half.path.mkdir(parents=True)
    write_json(half.spec, spec.to_dict())
    return half.path


def verdict_of(levels: Sequence[Level]) -> str:
    """Returns "fail" if a level does not hold, else "pass"."""
    return FAIL if any(level.status == FAIL for level in levels) else PASS


def unfinished(spec: RunSpec | CheckSpec, reasons: Sequence[str], mode: str = "seeded") -> Result:
    """Returns the result of what could not be compared.

    Args:
        spec: of the run or check.
        reasons: why, a paragraph each.
        mode: of the result.
    """
    return Result(ERROR, spec.to_dict(), mode=mode, errors=tuple(reasons))


def written(run: RunFolder, result: Result) -> Result:
    """Writes a result, which makes its run complete, and returns it."""
    write_json(run.result, result.to_json())
    return result
