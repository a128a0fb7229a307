"""The settings of a spec that change what a half computes: a part of the key of a task."""

from __future__ import annotations

from typing import Any

from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec

# Settings of a program that change nothing that is computed.
_OF_NO_EFFECT = ("program", "folder", "max_feed")


def deciding(spec: RunSpec | ProgramSpec, half: str) -> dict[str, Any]:
    """Returns the settings of a spec that change what a half computes."""
    is_run = isinstance(spec, RunSpec)
    left_out = {"scenario"} if is_run else {*_OF_NO_EFFECT}
    if half == "keras":
        left_out |= {"mode"} if is_run else {"torch"}
    return {name: value for name, value in spec.to_dict().items() if name not in left_out}
