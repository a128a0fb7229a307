"""Runs of both halves for tests, in this process: a framework takes longer to start than to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_impl
import torch_impl
from parity.data.dataset import Data
from parity.data.load import run_data
from parity.data.transfer import read_data, save_data
from parity.files.json_io import write_json
from parity.ladder.engine import compare_levels
from parity.ladder.items import Level
from parity.ladder.table import OF_RUN
from parity.programs.run_spec import RunSpec
from parity.runs.child import run_directory
from parity.traces.recorder import Recorder
from parity.traces.trace import RunResult, Trace, Weights


def keras_trace(folder: Path, spec: RunSpec, half: Any = keras_impl) -> Trace:
    """Returns the Keras run of a spec, computed at the first call for a folder.

    Args:
        folder: for this run alone; processes that ask at the same time wait for one another.
        spec: the run.
        half: which runs it.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    directory = folder / "keras"
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "_SUCCESS").exists():
            data = run_data(spec)
            save_data(data, folder / "data.safetensors")
            _run(half, directory, spec, data)
    return Trace(directory)


def torch_trace(folder: Path, directory: Path, half: Any = torch_impl) -> Trace:
    """Runs the torch half on the data and the spec of a Keras run.

    Args:
        folder: of the Keras run.
        directory: of the torch run; made here.
        half: which runs it.
    """
    spec = RunSpec.from_dict(Trace(folder / "keras").spec)
    _run(half, directory, spec, read_data(folder / "data.safetensors"))
    return Trace(directory)


def _run(half: Any, directory: Path, spec: RunSpec, data: Data) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "spec.json", spec.to_dict())
    run_directory(half, directory, spec, data)


class _HasBegun(Exception):
    """Ends a training."""


def begun(half: Any) -> Any:
    """A half whose trainings end before their first step: its traces have all that comes before."""

    def fit(spec: RunSpec, data: Data, recorder: Recorder, anchors: None) -> RunResult:
        def on_start(weights: Callable[[], Weights]) -> None:
            recorder.on_start(weights)
            raise _HasBegun

        try:
            half.fit(spec, data, SimpleNamespace(on_start=on_start))
        except _HasBegun:
            return RunResult({}, {}, 0.0)
        raise AssertionError("a training did not tell that it begins")

    return SimpleNamespace(
        Anchors=lambda *arguments: None,
        fit=fit,
        run_probe=half.run_probe,
        describe_environment=half.describe_environment,
    )


def compare(keras: Trace, torch: Trace) -> tuple[Level, ...]:
    """Compares two runs."""
    return compare_levels(OF_RUN, keras, torch)
