"""The specs of runs and checks in result files."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from parity.files.records import Name, mirrors
from parity.programs.check_spec import CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.settings import Dtype


@mirrors(RunSpec)
class RunSpecRecord:
    """All settings of a run of `parity run`: parity.RunSpec."""


@mirrors(ProgramSpec)
class ProgramSpecRecord:
    """All settings of a whole training of a user's program: ProgramSpec.

    Attributes:
        keras: factory of the Keras half, or its training script.
        torch: factory of the port.
        folder: folder in which the command was called; only in a run without a result.
    """

    keras: Name
    torch: Name
    arguments: list[Name]
    folder: str | UnsetType = UNSET


@mirrors(CheckSpec)
class CheckSpecRecord:
    """All settings of a check of `parity check`: parity.programs.check_spec.CheckSpec.

    Attributes:
        keras: factory of the Keras model, MODULE:FUNCTION; null: a bundle replaced it, and the
            check has no result.
        torch: factory of the port, MODULE:FUNCTION.
        arguments: command line of a training script; older results lack it.
        against: path of the bundle; only in a check without a result.
        brief: whether large arrays of layers are left out; only in a check without a result.
        draws: whether the port was built as often as its initial weights need; likewise.
        described: whether the trace says what a port is written of; likewise.
        folder: folder in which the command was called; only in a check without a result.
        dtype: of the port; older results lack it, whose checks are in float64.
    """

    torch: Name
    arguments: list[Name] | UnsetType = UNSET
    against: Name | UnsetType | None = UNSET
    dtype: Dtype | UnsetType = UNSET
    brief: bool | UnsetType = UNSET
    draws: bool | UnsetType = UNSET
    described: bool | UnsetType = UNSET
    folder: str | UnsetType = UNSET


# The schema of the spec of a result, which is of one of three kinds.
ANY_SPEC = {
    "if": {"required": ["scenario"]},
    "then": {"$ref": "#/$defs/RunSpecRecord"},
    "else": {
        "if": {"required": ["program"]},
        "then": {"$ref": "#/$defs/ProgramSpecRecord"},
        "else": {"$ref": "#/$defs/CheckSpecRecord"},
    },
}
