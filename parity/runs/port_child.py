"""The child process of `parity port`: writes the port of a program that Keras's trace describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.json_io import read_json, write_json
from parity.runs.check_child import failed
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

WRITTEN = "written.json"  # what the child tells of what it wrote


def run_port(write_port: Callable[..., dict[str, Any]], directory: Path) -> None:
    """Writes the port that `spec.json` asks for: "trace", of the Keras half, "out" and "plain".

    Args:
        write_port: writes a port from a trace into a folder, and returns what it tells.
        directory: of the job.

    Raises:
        InputError: the program cannot be ported, with all reasons; `failure.json` has them.
    """
    spec = read_json(RunFolder(directory).spec)
    try:
        told = write_port(Trace(Path(spec["trace"])), Path(spec["out"]), plain=spec["plain"])
    except InputError as error:
        raise failed(directory, error) from error
    write_json(directory / WRITTEN, told)
    RunFolder(directory).complete()
