"""The child process of a whole run: probes, trains and records, with a directory for each run.

Each directory holds a `spec.json` and receives history, trace and environment, and a probe: every
level of the ladder below the trajectory. A run that is judged from anchors gets these, too: both
halves train at the same time, and the torch half reads them in the folder of the Keras half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from parity.data.dataset import Data
from parity.data.transfer import read_data
from parity.errors import InputError
from parity.files.json_io import read_json
from parity.halves.protocol import Half, ProgressLines, stop_if_orphaned
from parity.halves.sources import pause
from parity.programs.run_spec import RunSpec
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import are_needed
from parity.traces.folder import RunFolder
from parity.traces.recorder import Recorder
from parity.traces.trace import TraceWriter

# Settings that `configure` sets once per process, so that all its runs must share them.
PROCESS_SETTINGS = ("device", "threads")


def run_directories(
    half: Half,
    data_file: str,
    directories: Sequence[Path],
    parent: int,
    *,
    saves_weights: bool = False,
) -> None:
    """Runs every directory, one after another.

    Args:
        half: the package, not configured yet.
        data_file: file of `save_data` with the arrays of all runs.
        directories: directories of the runs, each with its `spec.json`.
        parent: process ID of the parent; the child stops when the parent is gone.
        saves_weights: whether to leave the final weights, see `Half.save_weights`.

    Raises:
        InputError: a spec or the data cannot be read, or the runs cannot share a process.
    """
    specs = _read_specs(directories)
    data = read_data(data_file)
    half.configure(specs[0])
    for directory, spec in zip(directories, specs, strict=True):
        stop_if_orphaned(parent)
        report = ProgressLines(directory.name, parent)
        run_directory(
            half,
            directory,
            spec,
            data,
            report=report,
            pause=partial(pause, parent),
            saves_weights=saves_weights,
        )


def run_directory(
    half: Half,
    directory: Path,
    spec: RunSpec,
    data: Data,
    *,
    report: Callable[[int, int, float], None] | None = None,
    pause: Callable[[], None] = lambda: None,
    saves_weights: bool = False,
) -> None:
    """Probes and trains one run, and writes its directory.

    Args:
        half: the package, configured.
        directory: directory of the run, with its `spec.json`.
        spec: the run.
        data: the arrays of the run.
        report: called after every step, see `Recorder`.
        pause: called while the other half is waited for.
        saves_weights: whether to leave the final weights, see `Half.save_weights`.
    """
    # A repeated run must not look finished while its files are replaced.
    RunFolder(directory).reopen()
    writer = TraceWriter()
    writer.facts.update(
        sha256=data.sha256,
        num_train=len(data.x_train),
        num_val=len(data.x_val),
        num_classes=data.num_classes,
    )
    half.run_probe(spec, data, writer)
    steps_per_epoch = spec.steps_per_epoch(len(data.x_train))
    recorder = Recorder(writer, steps_per_epoch=steps_per_epoch, epochs=spec.epochs, report=report)
    found = None
    if are_needed(spec.dtype, spec.num_steps(len(data.x_train))):
        keras = RunFolder(directory.parent).half("keras")
        found = half.Anchors(spec, data, writer, AnchorFolder(keras, pause))
    result = half.fit(spec, data, recorder, found)
    if saves_weights:
        half.save_weights(spec, data, result.weights, RunFolder(directory.parent), pause)
    if spec.early_stopping is not None:  # weights may be from an earlier epoch
        writer.put_all("restored", result.weights)
    writer.write(directory, environment=half.describe_environment(spec), result=result)


def _read_specs(directories: Sequence[Path]) -> list[RunSpec]:
    specs = [_read_spec(RunFolder(directory).spec) for directory in directories]
    for name in PROCESS_SETTINGS:
        values = {getattr(spec, name) for spec in specs}
        if len(values) > 1:
            raise InputError(
                f"{name} is {sorted(values)} in the runs of one process; expected one value, since "
                "it is set once per process; start one process per value"
            )
    return specs


def _read_spec(path: Path) -> RunSpec:
    try:
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); expected the JSON of RunSpec.to_dict; write it again"
        ) from error
    return RunSpec.from_dict(values)
