"""ProgramBenchTask: what one child times of a program of the user's.

All children of a benchmark share the run that came before it, in which the program was trained in
both halves: they read what `fit` is fed, and with what weights it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.programs.program_spec import ProgramSpec
from parity.traces.folder import RunFolder

JOINED = "joined.safetensors"
JUDGED = "judged"  # the part of a task that trains once in float64, to be compared


@dataclass(frozen=True)
class ProgramBenchTask:
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
    """

    part: str
    variant: str
    precision: str
    spec: ProgramSpec
    samples: int
    run: str
    is_written: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        return {**vars(self), "spec": self.spec.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ProgramBenchTask:
        """Builds a task from the values of `to_dict`."""
        return cls(**{**values, "spec": ProgramSpec.from_dict(values["spec"])})

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
