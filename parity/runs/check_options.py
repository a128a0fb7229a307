"""CheckOptions: how to run checks and what to allow; and where a check finds its reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.divergences.names import id_of
from parity.errors import InputError
from parity.halves.options import ChildOptions
from parity.ladder.levels import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.programs.tool_table import read_tool_table
from parity.traces.folder import RunFolder


@dataclass(frozen=True)
class CheckOptions:
    """How to run checks, and what to allow. Only `levels`, `tolerance` and `accept` change results.

    Attributes:
        out: folder for traces and logs; None = a temporary one.
        children: how to run the child processes.
        levels: levels that decide the verdict; the others are shown as skipped. Empty = all.
        paths: additional folders in which modules of factories are found.
        tolerance: what the user allows instead of the tolerances that follow from rounding, by the
            name of a level, "" for all levels; relative, above 0 and below 1.
        accept: IDs of divergences that the user knows of, and that decide nothing.
        whole: whether Keras's trace has all layers of large models too, as a bundle needs them,
            even if nothing differs.
    """

    out: Path | None = None
    children: ChildOptions = field(default_factory=ChildOptions)
    levels: Sequence[str] = ()
    paths: Sequence[Path] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)
    accept: tuple[str, ...] = ()
    whole: bool = False


def source_of(spec: CheckSpec, folder: Path) -> Path:
    """Returns the bundle that is given, or the trace that the Keras half wrote."""
    own = RunFolder(folder.absolute()).half("keras").path
    return Path(spec.folder) / (spec.against or own)


def allowed_by_user(
    folder: Path, tolerance: float | Mapping[str, float] | None, accept: Sequence[str] | None
) -> dict[str, Any]:
    """Returns the fields `tolerance` and `accept` of CheckOptions.

    A tolerance that is given for all levels replaces those of the project's [tool.parity]; what is
    accepted there stays accepted.

    Args:
        folder: the table is searched from here upwards.
        tolerance: given in the call: for all levels, or by level.
        accept: given in the call: IDs or names of divergences.

    Raises:
        InputError: a level, a number or a divergence is none; or the table has an error.
    """
    table = read_tool_table(folder)
    _check_tolerance(table.tolerance, f"{table.path}: tolerance")
    if tolerance is None:
        tolerance = {}
    elif not isinstance(tolerance, Mapping):
        tolerance = {"": tolerance}
    _check_tolerance(tolerance, "tolerance")
    known = {} if "" in tolerance else table.tolerance
    accepted = [
        *_ids(table.accept, f"{table.path}: accept"),
        *_ids([accept] if isinstance(accept, str) else accept or [], "accept"),
    ]
    return {"tolerance": {**known, **tolerance}, "accept": tuple(dict.fromkeys(accepted))}


def _check_tolerance(tolerance: Mapping[str, float], where: str) -> None:
    for level, value in tolerance.items():
        if level and level not in LEVEL_IDS:
            raise InputError(f"{where} of {level!r}: expected one of {', '.join(LEVEL_IDS)}")
        if isinstance(value, bool) or not isinstance(value, float | int) or not 0 < value < 1:
            of = f" of {level}" if level else ""
            raise InputError(f"{where}{of} is {value!r}: expected a number above 0 and below 1")


def _ids(names: Sequence[str], where: str) -> list[str]:
    found = []
    for name in names:
        known = id_of(name)
        if known is None:
            raise InputError(
                f"{where}={name!r}: there is no such divergence; `parity list divergences` has all"
            )
        found.append(known)
    return found
