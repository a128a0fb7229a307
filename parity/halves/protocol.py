"""The protocol between parent and child: functions of a half, progress lines, exit codes, orphans.

Progress goes to standard output as lines that the parent can parse and people can read in a log. An
error that the user can fix ends with one line and its own exit code. Any other error, such as a
MemoryError, ends the process in Python's way: the parent finds the traceback in the log.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from parity.bench.server import BenchServer, BenchTask, ProgramBenchTask
    from parity.data.dataset import Data
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec
    from parity.runs.child import ProgramTask
    from parity.sweeps.child import SweptProgram
    from parity.traces.folder import RunFolder
    from parity.traces.trace import KerasTrace, RunResult, TraceWriter
    from parity.traces.training_recorder import Observer


imported_s = 0.0  # seconds that a fork server has imported for this child, its first one

PROGRESS = "progress"  # first word of a line of progress
NOTE = "parity note: "  # beginning of a line that the user sees while the child works
EXIT_NOT_INSTALLED = 77  # a framework is missing; other failures have Python's exit codes

# Packages that the extras of this project install. Any other missing module is a bug, in this
# project or in a framework, and needs its traceback.
INSTALLABLE = frozenset(
    {"keras", "tensorflow", "scipy", "torch", "torchvision", "numpy", "safetensors"}
)


class Half(Protocol):
    """The functions of `parity.halves.keras` and `parity.halves.torch` that the child calls."""

    def configure(self, spec: RunSpec | CheckSpec | ProgramSpec) -> None:
        """Sets up the process, before the framework is imported."""
        ...

    def fit(self, spec: RunSpec, data: Data, observer: Observer | None = None) -> RunResult:
        """Trains one run of a built-in scenario."""
        ...

    def factory_of(self, spec: CheckSpec) -> Callable[[], Any]:
        """Returns the user's factory of this half."""
        ...

    def run_check(
        self,
        spec: CheckSpec,
        factory: Callable[[], Any],
        writer: TraceWriter[Any],
        keras: KerasTrace | None = None,
    ) -> None:
        """Writes what one of the user's models computes; the port also gets Keras's trace."""
        ...

    def run_program(self, task: ProgramTask) -> RunResult:
        """Probes and trains a program; returns history and seconds."""
        ...

    def fit_program(self, task: SweptProgram) -> RunResult:
        """Trains one of the user's programs from its own random numbers."""
        ...

    def run_bench(self, task: BenchTask, data: Data, server: BenchServer) -> None:
        """Trains or feeds in rounds, on demand."""
        ...

    def bench_program(self, task: ProgramBenchTask, folder: RunFolder, server: BenchServer) -> None:
        """Trains one of the user's programs in rounds, on demand."""
        ...

    def describe_environment(self, spec: RunSpec | CheckSpec | ProgramSpec) -> dict[str, Any]:
        """Returns the environment of the run."""
        ...


def stop_if_orphaned(parent: int) -> None:
    """Ends the process if its parent is no longer the process `parent`.

    A run for which nobody waits only wastes cores. A killed parent cannot inform its children, but
    the system then gives them another parent process.
    """
    if os.getppid() != parent:
        raise SystemExit("the parent process is gone")


def is_installable(error: ModuleNotFoundError) -> bool:
    """Whether an extra of this project installs the missing module, so that it is not a bug."""
    return (error.name or "").partition(".")[0] in INSTALLABLE


def say_progress(name: str, step: int, num_steps: int, loss: float) -> None:
    """Prints a progress line, which the parent reads in the log."""
    # One write instead of print's two, so that no output of a framework's C++ code can get into the
    # middle of the line.
    sys.stdout.write(f"{PROGRESS} {name} {step}/{num_steps} loss={loss:.5g}\n")
    sys.stdout.flush()


def say_note(text: str) -> None:
    """Prints a line that the parent shows: why the child does more than was asked for."""
    sys.stdout.write(f"{NOTE}{text}\n")
    sys.stdout.flush()


class ProgressLines:
    """Prints `progress NAME STEP/NUM_STEPS loss=...`, at most five times a second.

    The last step is always printed. It also ends the process when the parent has died. This check
    in every step takes less than a microsecond.

    Args:
        name: name of the run directory.
        parent: process ID of the parent; by default of the current one.
    """

    def __init__(self, name: str, parent: int | None = None) -> None:
        self._name = name
        self._parent = os.getppid() if parent is None else parent
        self._next_s = 0.0

    def __call__(self, step: int, num_steps: int, loss: float) -> None:
        """Reports that `step` of `num_steps` steps are done; `loss` is the running mean."""
        stop_if_orphaned(self._parent)
        now = time.monotonic()
        if now < self._next_s and step < num_steps:
            return
        self._next_s = now + 0.2
        say_progress(self._name, step, num_steps, loss)
