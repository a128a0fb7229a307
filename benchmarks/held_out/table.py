"""The held-out cases as rows of both matrices: the other files are cases, or help them.

A case has `keras_model`, `right_port` and `faulty_port`; IDS, the accepted names of its mistake;
and LEVEL, the first level at which the mistake is visible.
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
)  # the last: a second set, written after the first was fixed


class RightPort(Pair):
    """A right port, named after its file, since all functions have the same name."""

    @property
    def name(self) -> str:
        """The name of the port, with that of the case."""
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
