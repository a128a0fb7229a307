"""Rows of both matrices for the cases of one package: `keras_side`, `right` and `wrong`."""

from __future__ import annotations

from benchmarks.pairs.fault_table import Fault
from benchmarks.pairs.table import Pair


def right_ports(package: str, model: str, names: str) -> list[Pair]:
    """Returns the right ports of a model, named in one text."""
    keras = f"{package}.keras_side:{model}"
    return [Pair(keras, f"{package}.right:{name}") for name in names.split()]


def wrong_ports(package: str, model: str, lines: str, level: str = "") -> list[Fault]:
    """Reads the faults of a model from lines: port, accepted IDs, level.

    Args:
        package: of the cases.
        model: factory of the model.
        lines: one for each fault.
        level: of all of them; the lines then have none.
    """
    keras = f"{package}.keras_side:{model}"
    rows = (f"{line} {level}".split() for line in lines.strip().splitlines())
    return [
        Fault(name, keras, f"{package}.wrong:{name}", tuple(ids.split(",")), of_row)
        for name, ids, of_row in rows
    ]
