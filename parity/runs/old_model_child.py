"""The child process that writes a SavedModel of Keras 2 as a file that Keras 3 can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.json_io import read_json
from parity.runs.check_child import failed
from parity.traces.folder import RunFolder


def save_old_model(half: Any, directory: Path) -> None:
    """Writes the file that `spec.json` asks for: "source", a folder, and "target".

    Args:
        half: the Keras half, which alone has a `save_as_h5`.
        directory: of the job.

    Raises:
        InputError: Keras cannot load the folder or write the file; `failure.json` says why.
    """
    spec = read_json(RunFolder(directory).spec)
    try:
        half.save_as_h5(Path(spec["source"]), Path(spec["target"]))
    except InputError as error:
        raise failed(directory, error) from error
    RunFolder(directory).complete()
