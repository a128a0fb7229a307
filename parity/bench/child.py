"""What a child does in a benchmark: `python -m HALF_impl bench DIRECTORY FILE_DESCRIPTOR`.

The folder holds `task.json`: the variant, the part, the precision, and the spec of the run; beside
it lies the file of the data, which all children of a cell share.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.bench.turns import NoMoreTurns, Turns
from parity.data_file import read_data
from parity.errors import InputError
from parity.halves.protocol import Half
from parity.programs.run_spec import RunSpec
from parity.trace import read_json
from parity.traces.folder import RunFolder

TASK = "task.json"


@dataclass(frozen=True)
class BenchTask:
    """What one child times.

    Attributes:
        part: one of PARTS in `parity.programs.bench_spec`, or "accuracy": rounds are whole
            trainings, the n-th one from the n-th seed, of `spec.epochs` epochs.
        variant: its name.
        precision: of the training.
        spec: the run.
    """

    part: str
    variant: str
    precision: str
    spec: RunSpec

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        return {**vars(self), "spec": self.spec.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BenchTask:
        """Builds a task from `to_dict`'s values."""
        return cls(**{**values, "spec": RunSpec.from_dict(values["spec"])})


def run_bench(half: Half, directory: Path, descriptor: int) -> None:
    """Times one task, in as many rounds as the parent asks for.

    Args:
        half: the package, not configured yet.
        directory: of the task.
        descriptor: of the pipe to the parent.

    Raises:
        InputError: the task cannot be done here.
    """
    task = BenchTask.from_dict(read_json(directory / TASK))
    if task.variant != "keras-torch":  # whose backend the parent's variables choose
        half.configure(task.spec)
    data = read_data(os.fspath(RunFolder(directory.parent).data))
    with os.fdopen(descriptor, "w", encoding="utf-8") as replies:
        try:
            half.run_bench(task, data, Turns(replies))
        except NoMoreTurns:
            return


def refuse(task: BenchTask, why: str) -> InputError:
    """Returns the error of a variant that cannot do what is asked for here."""
    return InputError(f"{task.variant}, {task.precision} on {task.spec.device}: {why}")
