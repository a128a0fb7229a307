"""The held-out cases as rows of both matrices: every file but this one is a case, or helps them.

A case has `keras_model`, `right_port`, `faulty_port`; IDS, names of its mistake, any of which is
right; and LEVEL, at which the mistake is first visible.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from benchmarks.pairs.fault_table import Fault
from benchmarks.pairs.table import Pair

PACKAGE = "benchmarks.held_out"
AREAS = (
    "layers",
    "training",
    "second",
)  # the last: a second set, written after the first was mended


class RightPort(Pair):
    """A right port, named after its file: all have one name there."""

    @property
    def name(self) -> str:
        """Of the port, with that of the case."""
        return self.torch.removeprefix(f"{PACKAGE}.").replace(":", ".")


def cases() -> Iterator[tuple[str, ModuleType]]:
    """Yields (name, module) of every case."""
    for area in AREAS:
        for path in sorted(Path(__file__).parent.glob(f"{area}_*.py")):
            yield path.stem, importlib.import_module(f"{PACKAGE}.{path.stem}")


RIGHT = tuple(
    RightPort(f"{PACKAGE}.{name}:keras_model", f"{PACKAGE}.{name}:right_port")
    for name, _ in cases()
)
FAULTS = tuple(
    Fault(
        name,
        f"{PACKAGE}.{name}:keras_model",
        f"{PACKAGE}.{name}:faulty_port",
        case.IDS,
        case.LEVEL,
    )
    for name, case in cases()
)
