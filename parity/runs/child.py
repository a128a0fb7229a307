"""The child process of a check, a run, a conversion or a port."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import InputError, ParityError, RunError, UnfinishedError, error_message
from parity.files.json_io import read_json, write_json
from parity.halves import protocol
from parity.halves.job import pause, wait_for
from parity.halves.memory import free_memory, kept_for_good
from parity.halves.protocol import (
    Half,
    ProgressLines,
    is_installable,
    say_note,
    say_progress,
    stop_if_orphaned,
)
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import program_spec_from
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.feed_file import read_feed
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, KerasTrace, RunResult

# --- The child process of a check: runs the user's models one after another -----------------------
#
# Both halves write a trace. The torch half reads the trace of the Keras half, in the folder beside
# its own. It imports the port first, and then waits until this trace is there.
#
# A directory holds `spec.json`, the CheckSpec. Several checks share a process, since importing a
# framework takes longer than most checks; an error in one model does not stop the next.


def run_checks(name: str, half: Half, directories: Sequence[Path], parent: int) -> None:
    """Runs every directory, one after another.

    Raises:
        ParityError: the error of the last failed directory; each has its own in `failure.json`.
    """
    paths = [RunFolder(directory).spec for directory in directories]
    specs = [CheckSpec.from_dict(read_json(path)) for path in paths]
    started = time.perf_counter()
    with kept_for_good(), told(directories):
        half.configure(specs[0])
        run_check = half.run_check  # imports the framework
    import_s = time.perf_counter() - started + protocol.imported_s

    def run(number: int) -> None:
        directory = directories[number]
        say_progress(directory.name, number, len(directories), 0.0)
        if _run_check(name, half, run_check, directory, specs[number], import_s, parent):
            free_memory()  # modules and calls refer to each other

    run_each(directories, run, parent)


@contextmanager
def told(directories: Sequence[Path]) -> Iterator[None]:
    """Writes down in every directory what the block raises, such as that a device is missing.

    Raises:
        ParityError: what the block has raised.
    """
    try:
        yield
    except ParityError as error:
        for directory in directories:
            failed(directory, error)
        raise


def run_each(directories: Sequence[Path], run: Callable[[int], None], parent: int) -> None:
    """Runs every directory, one after another; those that fail do not keep the next.

    Args:
        directories: of the half.
        run: runs one of them, by its number.
        parent: process ID of the parent; the child stops when the parent is gone.

    Raises:
        ModuleNotFoundError: a framework is missing, without which none can be run.
        Exception: that of the last failed directory; each has its own in `failure.json`.
    """
    last: BaseException | None = None
    for number, directory in enumerate(directories):
        stop_if_orphaned(parent)
        try:
            run(number)
        except ModuleNotFoundError as error:
            if is_installable(error):
                raise
            last = failed(directory, error)
        except Exception as error:  # the user's code may raise anything
            last = failed(directory, error)
    if last is not None:
        raise last


def _run_check(
    name: str,
    half: Half,
    run_check: Callable[..., None],
    directory: Path,
    spec: CheckSpec,
    import_s: float,
    parent: int,
) -> bool:
    """Runs one directory; returns whether its model is a large one."""
    started = time.perf_counter()
    factory = half.factory_of(spec)
    writer = CheckWriter[Any]()
    keras = None
    if name == "torch":
        assert spec.against is not None
        source = RunFolder(directory.parent).half("keras")
        started += wait_for(source, parent)
        if source.has_failed:
            return False
        keras = KerasTrace(source.path, Path(spec.against))
        spec = spec.replace(**{key: keras.spec[key] for key in ("seed", "steps", "batch_size")})
    run_check(spec, factory, writer, keras)
    environment = _environment(half, spec, import_s, started)
    if name == "keras":
        environment, writer.facts = in_order([environment, writer.facts])
    writer.write(directory, environment=environment, result=RunResult({}, {}, 0.0))
    return int(writer.facts.get("num_parameters", 0)) >= LARGE_MODEL


def in_order(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns records in the order of a bundle, which items and reports follow."""
    found: list[dict[str, Any]] = json.loads(json.dumps(records, sort_keys=True))
    return found


def _environment(half: Half, spec: CheckSpec, import_s: float, started: float) -> dict[str, Any]:
    """Returns the environment of a check and its time, with the import time separately."""
    wall_s = {"import": round(import_s, 3), "check": round(time.perf_counter() - started, 3)}
    return {**half.describe_environment(spec), "wall_s": wall_s}


def failed(directory: Path, error: Exception) -> Exception:
    """Writes down why a directory of a half failed; returns the error."""
    if not isinstance(error, ParityError):
        traceback.print_exc(file=sys.stderr)
    failure = {"is_input": isinstance(error, InputError), "message": error_message(error)}
    if isinstance(error, UnfinishedError):
        failure["is_unfinished"] = True
    write_json(RunFolder(directory).failure, failure)
    return error


# --- The child process of a whole training: probes, trains and records ----------------------------
#
# Each directory holds a `spec.json`, the ProgramSpec, and receives the trace of the probes; its
# folder `training` receives that of the training. The torch half begins when the probes of the
# Keras half are there, and trains while that trains, unless what Keras is fed is known only
# afterwards.


@dataclass
class ProgramTask:
    """What a half does with a program, and where it writes.

    Attributes:
        spec: of the training.
        folder: of the half.
        report: called after every step with its number, the number of all steps or 0, and the
            running loss.
        pause: called between two looks at what the other half has not written yet.
        probed: called by the Keras half when `probes` is complete.
        keras: for the torch half, what the Keras half wrote of its probes.
        tell: called with what the user is to know while the half works.
        saves_weights: whether the torch half leaves the final weights of both.
        probes: receives what the checks of a single batch compute.
        training: receives `training/...`.
    """

    spec: ProgramSpec
    folder: RunFolder
    report: Callable[[int, int, float], None]
    pause: Callable[[], None]
    probed: Callable[[], None]
    keras: KerasTrace | None = None
    saves_weights: bool = False
    tell: Callable[[str], None] = lambda text: None
    probes: CheckWriter[Any] = field(default_factory=CheckWriter[Any])
    training: CheckWriter[Any] = field(default_factory=CheckWriter[Any])

    @property
    def source(self) -> RunFolder:
        """The folder of the Keras half."""
        return RunFolder(self.folder.path.parent).half("keras")

    def anchors(self) -> AnchorFolder:
        """Returns the anchors of the Keras half."""
        return AnchorFolder(self.source.training, self.pause)

    def trained(self) -> KerasTrace:
        """Returns the training of the Keras half, as soon as it is there.

        Raises:
            RunError: it will never be there.
        """
        training = self.source.training
        while not training.is_complete:
            if training.has_failed or self.source.has_failed:
                raise RunError("the Keras half ended before its training did")
            self.pause()
        return KerasTrace(training.path)

    def feed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns nests and settings of what Keras's `fit` was fed, as soon as they are there.

        Raises:
            RunError: they will never be there.
        """
        while not self.source.feed.exists():
            if self.source.training.has_ended or self.source.has_failed:
                raise RunError("the Keras half ended before it had told what it was fed")
            self.pause()
        return read_feed(self.source.feed)


def run_programs(
    name: str,
    half: Half,
    directories: Sequence[Path],
    parent: int,
    *,
    saves_weights: bool = False,
) -> None:
    """Runs every directory, one after another.

    Raises:
        InputError: a spec cannot be used.
        ParityError: the error of the last failed directory; each has its own in `failure.json`.
    """
    # A script runs in the folder of its program, and not in that of the command.
    directories = [directory.absolute() for directory in directories]
    specs = [_read_spec(RunFolder(directory).spec) for directory in directories]
    with kept_for_good(), told(directories):
        half.configure(specs[0])
        _ = half.run_program  # imports the framework

    def run(number: int) -> None:
        folder = RunFolder(directories[number])
        _run(name, half, folder, specs[number], parent, saves_weights)

    run_each(directories, run, parent)


def _read_spec(path: Path) -> ProgramSpec:
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); expected the JSON of ProgramSpec.to_dict; write it "
            "again"
        ) from error
    return program_spec_from(values)


def _run(
    name: str,
    half: Half,
    folder: RunFolder,
    spec: ProgramSpec,
    parent: int,
    saves_weights: bool,
) -> None:
    started = time.perf_counter()
    lines = ProgressLines(folder.path.name, parent)
    environment = half.describe_environment(spec)

    def write_probes() -> None:
        record = {**environment, "wall_s": {"check": round(time.perf_counter() - started, 3)}}
        if name == "keras":
            record, task.probes.facts = in_order([record, task.probes.facts])
        task.probes.write(folder.path, environment=record, result=RunResult({}, {}, 0.0))

    task = ProgramTask(
        spec,
        folder,
        report=lambda step, total, loss: lines(step, max(step, total), loss),
        pause=lambda: pause(parent),
        probed=write_probes,
        saves_weights=saves_weights,
        tell=say_note,
    )
    if name == "torch":
        wait_for(task.source, parent)
        if task.source.has_failed:
            return
        task.keras = KerasTrace(task.source.path)
    result = half.run_program(task)
    if name == "torch":
        write_probes()
    folder.training.path.mkdir(exist_ok=True)
    write_json(folder.training.spec, spec.to_dict())
    task.training.write(folder.training.path, environment=environment, result=result)


# --- The child process of `parity convert`: carries weights into one of the user's modules --------


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
    with kept_for_good(), told([directory]):
        half.configure(spec)

    def run(_: int) -> None:
        run_convert(spec, half.factory_of(spec), directory)
        RunFolder(directory).complete()

    run_each([directory], run, parent)


# --------------------------------------------------------------------------------------------------
#
# The child process of `parity port`: writes the port of a program that Keras's trace describes.


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
    with told([directory]):
        report = write_port(KerasTrace(Path(spec["trace"])), Path(spec["out"]), plain=spec["plain"])
    write_json(directory / WRITTEN, report)
    RunFolder(directory).complete()


# --- The child process that writes a SavedModel of Keras 2 as a file that Keras 3 can read --------


def save_old_model(half: Any, directory: Path) -> None:
    """Writes the file that `spec.json` asks for: "source", a folder, and "target".

    Args:
        half: the Keras half, which alone has a `save_as_h5`.
        directory: of the job.

    Raises:
        InputError: Keras cannot load the folder or write the file; `failure.json` says why.
    """
    spec = read_json(RunFolder(directory).spec)
    with told([directory]):
        half.save_as_h5(Path(spec["source"]), Path(spec["target"]))
    RunFolder(directory).complete()
