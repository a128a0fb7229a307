"""What a child does in a benchmark: BenchServer takes commands and reports times."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from parity.data.load import read_data
from parity.errors import InputError
from parity.files.json_io import read_json
from parity.halves.protocol import Half
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.settings import Settings
from parity.traces.folder import RunFolder

# --------------------------------------------------------------------------------------------------
#
# joined: the batches of an epoch as arrays, so that both halves can be fed them from memory.


NAMES = ("x", "y", "weight")


def joined(batches: Sequence[Any]) -> tuple[dict[str, Any], int]:
    """Joins the batches of an epoch.

    Args:
        batches: each (x,), (x, y) or (x, y, weight), which are nests of arrays (N, ...).

    Returns:
        Nests `x`, `y` and `weight` of all samples, None for what there is not; and the number of
        samples in a batch.

    Raises:
        InputError: there are none, or they have other shapes or sizes, which arrays cannot have.
    """
    parts = [tuple(b) if isinstance(b, tuple | list) else (b,) for b in batches]
    rows = [[_leaves(part) for part in batch] for batch in parts]
    sizes = [len(batch[0][0]) for batch in rows]
    if not sizes or any(size != sizes[0] for size in sizes[:-1]) or sizes[-1] > sizes[0]:
        shown = ", ".join(map(str, sizes[:8])) or "none"
        raise InputError(
            f"`fit` is fed batches of {shown} samples; expected the same number in all but the "
            "last, so that both halves can be timed on the same arrays"
        )
    shapes = {
        tuple(leaf.shape[1:] for part in batch for leaf in part if leaf is not None)
        for batch in rows
    }
    if len(shapes) > 1 or len({len(batch) for batch in parts}) > 1:
        raise InputError(
            "`fit` is fed batches of different shapes; expected one shape, so that both halves can "
            "be timed on the same arrays: pad the samples, or give `fit` arrays"
        )
    whole = [_joined([batch[n] for batch in parts]) for n in range(len(parts[0]))]
    return dict(zip(NAMES, [*whole, None, None], strict=False)), sizes[0]


def _leaves(nest: Any) -> list[Any]:
    if isinstance(nest, Mapping):
        return [leaf for part in nest.values() for leaf in _leaves(part)]
    if isinstance(nest, tuple | list):
        return [leaf for part in nest for leaf in _leaves(part)]
    return [nest]


def _joined(nests: Sequence[Any]) -> Any:
    first = nests[0]
    if first is None:
        return None
    if isinstance(first, Mapping):
        return {name: _joined([nest[name] for nest in nests]) for name in first}
    if isinstance(first, tuple | list):
        return tuple(map(_joined, zip(*nests, strict=True)))
    return np.concatenate(nests)


# --- BenchServer: the child's end of a benchmark; it takes commands and reports times -------------
#
# The parent writes one word a line to the child's standard input. The child answers with one JSON
# object a line on a pipe of its own, because frameworks write to standard output:
#
#     round       -> {"seconds": 0.31, "samples": 2048}     one round of work
#     evaluate    -> {"accuracy": 0.97}                     on the validation samples
#     end, or the end of the input                          the child ends
#
# In the place of its environment, a child may say why its variant does not apply.
#
# The program calls `begin` at the start of a round and `end` at its end. Keras owns the loop of
# `fit`, so the Keras half calls both from a callback.


class NoMoreRounds(Exception):
    """The parent wants no more rounds; ends the loop of the program."""


class NotApplicable(Exception):
    """A variant changes nothing of a program, or cannot be made of it; the text says why."""


class BenchServer:
    """The child's end of the connection; `BenchClient` is the parent's.

    Args:
        replies: pipe to the parent.
        commands: commands from the parent.
    """

    def __init__(self, replies: IO[str], commands: IO[str] = sys.stdin) -> None:
        self._replies, self._commands = replies, commands
        self._synchronise: Callable[[], Any] = lambda: None
        self._memory: Callable[[], float | None] = peak_memory_mb
        self._started = 0.0

    def ready(
        self,
        environment: dict[str, Any],
        synchronise: Callable[[], Any],
        memory: Callable[[], float | None] | None = None,
    ) -> None:
        """Reports that everything is built.

        Args:
            environment: what the process runs on.
            synchronise: waits for the device, so that a round ends together with its work.
            memory: returns the greatest memory of the device so far, in MB. None = the memory of
                the process is reported.
        """
        self._synchronise, self._memory = synchronise, memory or peak_memory_mb
        self._send({"ready": True, "environment": environment})

    def skip(self, reason: str) -> None:
        """Reports why the variant does not apply, in the place of `ready`."""
        self._send({"skipped": reason})

    def begin(self, evaluate: Callable[[], float] | None = None) -> None:
        """Waits for the next round and starts the clock; answers other commands until then.

        Args:
            evaluate: returns the accuracy on the validation samples.

        Raises:
            NoMoreRounds: the parent wants no more rounds.
        """
        for line in self._commands:
            command = line.strip()
            if command == "round":
                self._synchronise()
                self._started = time.perf_counter()
                return
            if command == "evaluate" and evaluate is not None:
                self._send({"accuracy": float(evaluate())})
            else:
                break
        raise NoMoreRounds

    def end(self, samples: int) -> None:
        """Stops the clock and reports the time."""
        self._synchronise()
        seconds = time.perf_counter() - self._started
        self._send({"seconds": seconds, "samples": samples, "peak_memory_mb": self._memory()})

    def _send(self, answer: dict[str, Any]) -> None:
        self._replies.write(json.dumps(answer) + "\n")
        self._replies.flush()


def peak_memory_mb() -> float:
    """Returns the greatest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


# --- What a child does in a benchmark: `python -m HALF_impl bench DIRECTORY FILE_DESCRIPTOR` ------
#
# The folder holds `task.json` with the variant, the part, the precision and the spec of the run.
# All children of a cell share one data file beside their folders. Those of a user's program share
# the run that came before, in which it was trained in both halves: they read what `fit` is fed, and
# with what weights it begins.


TASK = "task.json"
JOINED = "joined.safetensors"  # the batches that a program of the user's was fed, as arrays
JUDGED = "judged"  # the part of a task that trains such a program once, to be compared


@dataclass(frozen=True)
class BenchTask(Settings):
    """What one child times.

    Attributes:
        part: one of PARTS in `parity.programs.bench_spec`, or "accuracy". A round of "accuracy" is
            a whole training of `spec.epochs` epochs; round n uses the n-th seed.
        variant: name of the variant.
        precision: precision of the training.
        spec: the run.
    """

    part: str
    variant: str
    precision: str
    spec: RunSpec


@dataclass(frozen=True)
class ProgramBenchTask(Settings):
    """What one child times.

    Attributes:
        part: one of PROGRAM_PARTS of `parity.programs.bench_spec`, or "judged": a turn is a whole
            training in float64 with Keras's masks, which is written down.
        variant: name of the variant.
        precision: precision of the training.
        spec: of the program.
        samples: number of samples in a turn.
        run: folder of the run that came before.
        is_written: whether `fit` gets no arrays, so that both halves are fed the batches that it
            was fed in the run.
        is_flow: whether it gets a flow of ImageDataGenerator, of which both halves make the batches
            anew in every turn.
    """

    part: str
    variant: str
    precision: str
    spec: ProgramSpec
    samples: int
    run: str
    is_written: bool = False
    is_flow: bool = False

    @property
    def batch_size(self) -> int:
        """Samples in a step."""
        assert self.spec.batch_size is not None  # the run has told it
        return self.spec.batch_size

    @property
    def feed(self) -> Path:
        """The file with the samples of an epoch: those of the run, or its batches joined."""
        return Path(self.run) / JOINED if self.is_written else self.folder("keras").feed

    def folder(self, half: str) -> RunFolder:
        """The folder of a half in the run that came before."""
        return RunFolder(Path(self.run)).half(half)


def run_bench(half: Half, directory: Path, descriptor: int) -> None:
    """Times one task, in as many rounds as the parent asks for.

    Args:
        half: package of the half, not configured yet.
        directory: folder of the task.
        descriptor: file descriptor of the pipe to the parent.

    Raises:
        InputError: this machine cannot run the task.
    """
    values = read_json(directory / TASK)
    if "run" in values:
        _run_program(half, ProgramBenchTask.from_dict(values), directory, descriptor)
        return
    task = BenchTask.from_dict(values)
    if task.variant != "keras-torch":  # the parent chooses its backend by variables
        half.configure(task.spec)
    data = read_data(os.fspath(RunFolder(directory.parent).data))
    with os.fdopen(descriptor, "w", encoding="utf-8") as replies:
        try:
            half.run_bench(task, data, BenchServer(replies))
        except NoMoreRounds:
            return


def _run_program(half: Half, task: ProgramBenchTask, directory: Path, descriptor: int) -> None:
    half.configure(task.spec)
    with os.fdopen(descriptor, "w", encoding="utf-8") as replies:
        server = BenchServer(replies)
        try:
            half.bench_program(task, RunFolder(directory), server)
        except NotApplicable as reason:
            server.skip(str(reason))
        except NoMoreRounds:
            return


def refuse(task: BenchTask, why: str) -> InputError:
    """Returns the error of a variant that this machine cannot run."""
    return InputError(f"{task.variant}, {task.precision} on {task.spec.device}: {why}")
