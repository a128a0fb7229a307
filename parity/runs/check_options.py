"""CheckOptions: how to run checks; and where a check finds its reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parity.halves.options import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.traces.folder import RunFolder


@dataclass(frozen=True)
class CheckOptions:
    """How to run checks, and what the user allows.

    Attributes:
        out: folder for traces and logs; None = a temporary one.
        children: how to run the child processes.
        levels: levels that decide the verdict; the others are shown as skipped. Empty = all.
        paths: additional folders in which modules of factories are found.
        tolerance: the user's own tolerance by level, relative; "" stands for all levels. Empty: the
            project's.
        accept: IDs of divergences that the user accepts.
    """

    out: Path | None = None
    children: ChildOptions = field(default_factory=ChildOptions)
    levels: Sequence[str] = ()
    paths: Sequence[Path] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)
    accept: tuple[str, ...] = ()


def source_of(spec: CheckSpec, folder: Path) -> Path:
    """Returns the bundle that is given, or the trace that the Keras half wrote."""
    own = RunFolder(folder.absolute()).half("keras").path
    return Path(spec.folder) / (spec.against or own)
