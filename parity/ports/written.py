"""write_port: the package of a program that Keras's trace describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.ports.package import write_package
from parity.traces.trace import Trace


def write_port(trace: Trace, out: Path, *, plain: bool = False) -> dict[str, Any]:
    """Writes the port of a described program to a folder.

    Args:
        trace: of the Keras half, with the fact "program".
        out: folder of the package, which exists.
        plain: whether its network and its training need torch alone.

    Returns:
        What `write_package` returns.

    Raises:
        InputError: the program cannot be ported, with all reasons.
    """
    keys = {
        name: f"built/{name}" if f"built/{name}" in trace else f"weights/{name}"
        for name in trace.facts["weights"]
    }
    weights = {name.replace(".", "/", 1): trace[key] for name, key in keys.items()}
    try:
        return write_package(trace.facts, weights, out, plain=plain)
    except ValueError as error:
        raise InputError(f"the program cannot be ported: {error}") from error
    except Exception as error:  # of a config that is none of Keras's, in any way
        told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(
            f"the program cannot be ported: its config is not one that Keras writes ({told})"
        ) from error
