"""What a child does in a benchmark: `python -m HALF_impl bench DIRECTORY FILE_DESCRIPTOR`.

The folder holds `task.json` with the variant, the part, the precision and the spec of the run. All
children of a cell share one data file beside their folders. Those of a user's program share the run
that came before, in which it was trained in both halves: they read what `fit` is fed, and with what
weights it begins.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from parity.bench.server import BenchServer, NoMoreRounds, NotApplicable
from parity.data.transfer import read_data
from parity.errors import InputError
from parity.files.json_io import read_json
from parity.halves.protocol import Half
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.settings import Settings
from parity.traces.folder import RunFolder

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
