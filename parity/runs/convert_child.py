"""The child process of `parity convert`: carries weights into one of the user's modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.files.json_io import read_json
from parity.halves.memory import kept_for_good
from parity.halves.protocol import Half
from parity.programs.check_spec import CheckSpec
from parity.runs.check_child import run_each
from parity.traces.folder import RunFolder


def run_conversion(
    half: Half, run_convert: Callable[[CheckSpec, Any, Path], None], directory: Path, parent: int
) -> None:
    """Runs the conversion that a directory describes.

    Args:
        half: the torch half.
        run_convert: carries the weights over.
        directory: of the job.
        parent: process ID of the parent; the child stops when it is gone.

    Raises:
        ParityError: it failed; the directory has `failure.json`.
    """
    spec = CheckSpec.from_dict(read_json(RunFolder(directory).spec))
    with kept_for_good():
        half.configure(spec)

    def run(_: int) -> None:
        run_convert(spec, half.factory_of(spec), directory)
        RunFolder(directory).complete()

    run_each([directory], run, parent)
