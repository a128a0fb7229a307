"""write_port: the package of a program that Keras's trace describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.traces.trace import Trace
from torch_impl.source.package import write_package


def write_port(trace: Trace, out: Path) -> dict[str, Any]:
    """Writes the port of a described program to a folder.

    Args:
        trace: of the Keras half, with the fact "program".
        out: folder of the package, which exists.

    Returns:
        "files": names of what was written; "left_out": a sentence for each part that is missing.

    Raises:
        InputError: the program cannot be ported, with all reasons.
    """
    names = trace.facts["weights"]
    weights = {name.replace(".", "/", 1): trace[f"weights/{name}"] for name in names}
    try:
        return write_package(trace.facts, weights, out)
    except ValueError as error:
        raise InputError(f"the program cannot be ported: {error}") from error
