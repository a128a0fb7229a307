"""The child process of a check: runs the user's models one after another.

Both halves write a trace. The torch half reads the trace of the Keras half, in the folder beside
its own. It imports the port first, and then waits until this trace is there.

A directory holds `spec.json`, the CheckSpec. Several checks share a process, since importing a
framework takes longer than most checks; an error in one model does not stop the next.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parity.errors import InputError, ParityError, UnfinishedError, told
from parity.files.json_io import read_json, write_json
from parity.halves.memory import free_memory, kept_for_good
from parity.halves.protocol import Half, is_installable, say_progress, stop_if_orphaned
from parity.halves.sources import wait_for
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace


def run_checks(name: str, half: Half, directories: Sequence[Path], parent: int) -> None:
    """Runs every directory, one after another.

    Raises:
        ParityError: the error of the last failed directory; each has its own in `failure.json`.
    """
    paths = [RunFolder(directory).spec for directory in directories]
    specs = [CheckSpec.from_dict(read_json(path)) for path in paths]
    started = time.perf_counter()
    with kept_for_good():
        half.configure(specs[0])
        run_check = half.run_check  # imports the framework
    import_s = time.perf_counter() - started

    def run(number: int) -> None:
        directory = directories[number]
        say_progress(directory.name, number, len(directories), 0.0)
        if _run(name, half, run_check, directory, specs[number], import_s, parent):
            free_memory()  # modules and calls refer to each other

    run_each(directories, run, parent)


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


def _run(
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
    writer = CheckWriter()
    keras = None
    if name == "torch":
        assert spec.against is not None
        source = RunFolder(directory.parent).half("keras")
        started += wait_for(source, parent)
        if source.has_failed:
            return False
        keras = Trace(source.path, Path(spec.against))
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
    failure = {"is_input": isinstance(error, InputError), "message": told(error)}
    if isinstance(error, UnfinishedError):
        failure["is_unfinished"] = True
    write_json(RunFolder(directory).failure, failure)
    return error
