"""Runs of both halves for tests: Keras in a child process and once for all, torch in this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch_impl
from parity.child import run_directory
from parity.data import run_data
from parity.data_file import read_data, save_data
from parity.ladder import climb
from parity.result import Level
from parity.spec import RunSpec
from parity.tolerance import Float64Tolerance
from parity.trace import Trace, write_json


def keras_trace(folder: Path, spec: RunSpec) -> Trace:
    """Returns the Keras run of a spec, computed at the first call for a folder.

    Args:
        folder: for this run alone; processes that ask at the same time wait for one another.
        spec: the run.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    directory = folder / "keras"
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "_SUCCESS").exists():
            directory.mkdir(exist_ok=True)
            write_json(directory / "spec.json", spec.to_dict())
            save_data(run_data(spec), folder / "data.safetensors")
            subprocess.run(
                [
                    *[sys.executable, "-m", "keras_impl"],
                    *["--data", str(folder / "data.safetensors"), str(directory)],
                ],
                check=True,
                capture_output=True,
                timeout=300,
            )
    return Trace(directory)


def torch_trace(folder: Path, directory: Path) -> Trace:
    """Runs the torch half on the data and the spec of a Keras run.

    Args:
        folder: of the Keras run.
        directory: of the torch run; made here.
    """
    spec = RunSpec.from_dict(Trace(folder / "keras").spec)
    directory.mkdir(parents=True)
    write_json(directory / "spec.json", spec.to_dict())
    run_directory(torch_impl, directory, spec, read_data(folder / "data.safetensors"))
    return Trace(directory)


def climb_float64(keras: Trace, torch: Trace) -> tuple[Level, ...]:
    """Climbs the ladder with the tolerance of float64."""
    return climb(keras, torch, Float64Tolerance())
