"""What parent and child agree on: what a half offers, lines of progress, exit codes, orphans.

Progress goes to standard output as lines that the parent understands and that read well in a log.
What the user can act on ends as one line and an exit code of its own. Everything else, MemoryError
included, ends as Python ends it: the traceback stays in the log, where the parent finds it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from parity.bench.child import BenchTask
    from parity.bench.server import BenchServer
    from parity.data.dataset import Data
    from parity.programs.check_spec import CheckSpec
    from parity.programs.run_spec import RunSpec
    from parity.traces.recorder import Observer
    from parity.traces.trace import RunResult, Trace, TraceWriter

PROGRESS = "progress"  # first word of a line of progress
EXIT_NOT_INSTALLED = 77  # a framework is missing; other failures end as Python ends them

# What the extras of this project install. Any other module that is missing is a bug, of this
# project or of a framework, and its traceback is wanted.
INSTALLABLE = frozenset(
    {"keras", "tensorflow", "scipy", "torch", "torchvision", "numpy", "safetensors"}
)


class Half(Protocol):
    """What `keras_impl` and `torch_impl` offer to the child."""

    def configure(self, spec: RunSpec | CheckSpec) -> None:
        """Sets up the process, before the framework is imported."""
        ...

    def fit(self, spec: RunSpec, data: Data, recorder: Observer | None = None) -> RunResult:
        """Trains one run."""
        ...

    def run_probe(self, spec: RunSpec, data: Data, writer: TraceWriter) -> None:
        """Writes the levels of the ladder below the trajectory."""
        ...

    def run_check(
        self,
        spec: CheckSpec,
        factory: Callable[[], Any],
        writer: TraceWriter,
        keras: Trace | None = None,
    ) -> None:
        """Writes what one of the user's own models computes; the port is given what Keras left."""
        ...

    def run_bench(self, task: BenchTask, data: Data, server: BenchServer) -> None:
        """Trains or feeds in rounds, on demand."""
        ...

    def describe_environment(self, spec: RunSpec | CheckSpec) -> dict[str, Any]:
        """Returns what the run depended on besides its spec."""
        ...


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
