"""What a child process does: one half, one or more runs, one directory each.

    python -m keras_impl --data FILE DIRECTORY [DIRECTORY ...]
    python -m keras_impl --chunk DIRECTORY                        (in a sweep: `parity.chunk`)
    python -m keras_impl --check DIRECTORY [DIRECTORY ...]        (`parity.check_child`)
    python -m keras_impl --bench DIRECTORY FILE_DESCRIPTOR        (`parity.bench.child`)

Each directory holds a `spec.json` and receives history, trace and environment. The run itself also
gets a probe (every level of the ladder below the trajectory); perturbed runs, which only measure
rounding, do not. Progress goes to standard output as lines that the parent understands and that
read well in a log. The child stops by itself when its parent is gone.

What the user can act on ends as one line and an exit code of its own. Everything else, MemoryError
included, ends as Python ends it: the traceback stays in the log, where the parent finds it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from parity.errors import InputError, ParityError
from parity.programs.run_spec import RunSpec

PROGRESS = "progress"  # first word of a line of progress
EXIT_NOT_INSTALLED = 77  # a framework is missing; other failures end as Python ends them

# What the extras of this project install. Any other module that is missing is a bug, of this
# project or of a framework, and its traceback is wanted.
INSTALLABLE = frozenset(
    {"keras", "tensorflow", "scipy", "torch", "torchvision", "numpy", "safetensors"}
)

# What `configure` settles once for a process, so that all runs of a process must share it.
PROCESS_SETTINGS = ("device", "threads")


class Half(Protocol):
    """What `keras_impl` and `torch_impl` offer to the child."""

    def configure(self, spec: RunSpec) -> None:
        """Sets up the process, before the framework is imported."""
        ...

    def fit(self, spec: RunSpec, data: Any, recorder: Any = None) -> Any:
        """Trains one run."""
        ...

    def run_probe(self, spec: RunSpec, data: Any, writer: Any) -> None:
        """Writes the levels of the ladder below the trajectory."""
        ...

    def run_check(self, *arguments: Any) -> None:
        """Writes what one of the user's own models computes."""
        ...

    def run_bench(self, *arguments: Any) -> None:
        """Trains or feeds in rounds, on demand."""
        ...

    def describe_environment(self, spec: RunSpec) -> dict[str, Any]:
        """Returns what the run depended on besides its spec."""
        ...


def main(name: str, half: Half, arguments: list[str]) -> int:
    """Runs every directory that is named, in turn.

    Args:
        name: "keras" or "torch", for messages.
        half: the package, whose framework is not imported yet.
        arguments: of the command line.

    Returns:
        The exit code of the process.
    """
    # Asked first: importing a framework takes seconds, in which the parent may be killed.
    parent = os.getppid()
    is_chunk = len(arguments) == 2 and arguments[0] == "--chunk"
    is_check = len(arguments) > 1 and arguments[0] == "--check"
    is_bench = len(arguments) == 3 and arguments[0] == "--bench" and arguments[2].isdecimal()
    if not (is_chunk or is_check or is_bench) and (len(arguments) < 3 or arguments[0] != "--data"):
        _say(
            f"usage: python -m {name}_impl (--data FILE DIRECTORY ... | --chunk DIRECTORY | "
            "--check DIRECTORY ... | --bench DIRECTORY FILE_DESCRIPTOR)"
        )
        return 2
    # A run that hangs is ended by SIGTERM, and the log then shows where it hung. File 2 is standard
    # error, whatever sys.stderr is.
    faulthandler.register(signal.SIGTERM, file=2, all_threads=False, chain=True)
    try:
        if is_chunk:
            _run_chunk(name, half, Path(arguments[1]), parent)
        elif is_check:
            from parity.check_child import run_checks

            run_checks(name, half, [Path(argument) for argument in arguments[1:]], parent)
        elif is_bench:
            from parity.bench.child import run_bench

            run_bench(half, Path(arguments[1]), int(arguments[2]))
        else:
            directories = [Path(argument) for argument in arguments[2:]]
            _run_directories(half, arguments[1], directories, parent)
    except ModuleNotFoundError as error:
        if not is_installable(error):
            raise
        _say(f"{name} half: {error}")
        return EXIT_NOT_INSTALLED
    except ParityError as error:
        _say(f"{name} half: {error}")
        return error.exit_code
    return 0


def _run_directories(half: Half, data_file: str, directories: list[Path], parent: int) -> None:
    from parity.data_file import read_data

    specs = _read_specs(directories)
    data = read_data(data_file)
    half.configure(specs[0])
    for directory, spec in zip(directories, specs, strict=True):
        stop_if_orphaned(parent)
        run_directory(half, directory, spec, data, report=ProgressLines(directory.name, parent))


def _run_chunk(name: str, half: Half, directory: Path, parent: int) -> None:
    from parity.chunk import CHUNK, run_chunk, train
    from parity.trace import read_json

    half.configure(RunSpec.from_dict(read_json(directory / CHUNK)["tasks"][0]["spec"]))
    run_chunk(directory, lambda spec: train(half, name, spec, parent), parent)


def stop_if_orphaned(parent: int) -> None:
    """Ends the process if its parent is no longer the process `parent`.

    A run that nobody waits for only takes cores. A parent that was killed cannot say so; the
    system then hands its children to another process.
    """
    if os.getppid() != parent:
        raise SystemExit("the parent process is gone")


def is_installable(error: ModuleNotFoundError) -> bool:
    """Whether what is missing comes with an extra of this project, and is no bug."""
    return (error.name or "").partition(".")[0] in INSTALLABLE


def say_progress(name: str, step: int, num_steps: int, loss: float) -> None:
    """Prints a line of progress, which the parent reads in the log."""
    # One write, not print's two: what a framework writes to the same log from C++ would
    # otherwise land inside the line.
    sys.stdout.write(f"{PROGRESS} {name} {step}/{num_steps} loss={loss:.5g}\n")
    sys.stdout.flush()


class ProgressLines:
    """Prints `progress NAME STEP/NUM_STEPS loss=...`, at most five times a second.

    The last step is always printed. Also ends the process when its parent has died, which is looked
    at in every step: it costs less than a microsecond.

    Args:
        name: of the run directory.
        parent: process id of the parent; of the present one by default.
    """

    def __init__(self, name: str, parent: int | None = None) -> None:
        self._name = name
        self._parent = os.getppid() if parent is None else parent
        self._next_s = 0.0

    def __call__(self, step: int, num_steps: int, loss: float) -> None:
        """Reports that `step` of `num_steps` steps are done; `loss` is the epoch's running mean."""
        stop_if_orphaned(self._parent)
        now = time.monotonic()
        if now < self._next_s and step < num_steps:
            return
        self._next_s = now + 0.2
        say_progress(self._name, step, num_steps, loss)


def run_directory(
    half: Half,
    directory: Path,
    spec: RunSpec,
    data: Any,
    *,
    report: Callable[[int, int, float], None] | None = None,
) -> None:
    """Probes and trains one run, and writes its directory.

    Args:
        half: the package, configured.
        directory: of the run; it has its `spec.json`.
        spec: the run. A perturbed one is not probed: it only measures rounding.
        data: the arrays of the run.
        report: called after every step, see `Recorder`.
    """
    from parity.recorder import Recorder
    from parity.trace import SUCCESS, TraceWriter

    # A directory that is run again must not look finished while its files are replaced.
    (directory / SUCCESS).unlink(missing_ok=True)
    writer = TraceWriter()
    writer.facts.update(
        sha256=data.sha256,
        num_train=len(data.x_train),
        num_val=len(data.x_val),
        num_classes=data.num_classes,
    )
    if spec.perturbation == 0:
        half.run_probe(spec, data, writer)
    recorder = Recorder(
        writer,
        steps_per_epoch=-(-len(data.x_train) // spec.batch_size),
        epochs=spec.epochs,
        evaluates=spec.perturbation == 0,
        report=report,
    )
    result = half.fit(spec, data, recorder)
    if spec.early_stopping is not None:  # these may be the weights of an earlier epoch
        writer.put_all("restored", result.weights)
    writer.write(directory, environment=half.describe_environment(spec), result=result)


def _read_specs(directories: Sequence[Path]) -> list[RunSpec]:
    specs = [_read_spec(directory / "spec.json") for directory in directories]
    for name in PROCESS_SETTINGS:
        values = {getattr(spec, name) for spec in specs}
        if len(values) > 1:
            raise InputError(
                f"{name} is {sorted(values)} in the runs of one process; expected one value, since "
                "it is set once for a process; start a process for each"
            )
    return specs


def _read_spec(path: Path) -> RunSpec:
    from parity.trace import read_json

    try:
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); expected the JSON of RunSpec.to_dict; write it again"
        ) from error
    return RunSpec.from_dict(values)


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - standard error of the child is the log
