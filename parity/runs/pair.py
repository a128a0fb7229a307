"""Pair: one spec on its way through both halves, from a folder of jobs to a result.

A pair owns one run directory: `keras/` and `torch/` with their traces, a log for each child, and
`result.json`. In float32 it also has perturbed runs of the reference, `perturbed-1/` and so on,
which are removed once what they measured stands in the result.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parity.data.load import run_data
from parity.data.transfer import save_data
from parity.errors import InputError
from parity.halves.job import ChildJob, Failure
from parity.halves.options import ChildOptions
from parity.ladder.comparers.behaviour import judge_trace
from parity.ladder.engine import compare_levels
from parity.ladder.envelope import FACTOR, FLOAT64_FACTOR, Envelope
from parity.ladder.items import Item, Level
from parity.ladder.result import Result
from parity.ladder.table import OF_RUN
from parity.ladder.tolerance import FLOAT64, Float64Tolerance, Tolerance
from parity.programs.halves import HALVES
from parity.programs.run_spec import RunSpec
from parity.runs.steps import planned, unfinished, verdict_of, written
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

DEFAULT_PERTURBATIONS = 4  # in float32
# Rounding grows with the steps: in float64 it stays below what is allowed so far, and longer runs
# are judged by perturbed runs too (`python benchmarks/accuracy/drift.py`).
LONG_RUN_STEPS, LONG_RUN_PERTURBATIONS = 5000, 2


@dataclass(frozen=True)
class RunOptions:
    """How runs are carried out; nothing here changes what they compute.

    Attributes:
        out: folder for the run directories; it must not hold any of these runs yet.
        perturbations: perturbed runs of the reference; None = 4 in float32, and in float64 2 for
            runs of more than 5,000 steps, else 0.
        children: how the halves are run.
    """

    out: Path
    perturbations: int | None = None
    children: ChildOptions = field(default_factory=ChildOptions)


@dataclass(frozen=True)
class LadderComparison:
    """The ladder of a pair, and by what its trajectory was judged."""

    levels: tuple[Level, ...]
    tolerance: Tolerance

    @property
    def first_outlier(self) -> Item | None:
        """What in the trajectory goes beyond the envelope that was measured so far, or None."""
        if not isinstance(self.tolerance, Envelope):
            return None
        return next(level for level in self.levels if level.id == "trajectory").first_failure


@dataclass
class Pair:
    """One spec in both halves.

    Attributes:
        spec: the run.
        directory: its run directory.
        options: how it is carried out.
        perturbed: directories of the perturbed runs that count, planned or finished.
        failures: jobs that did not deliver.
        result: set by `finish`.
    """

    spec: RunSpec
    directory: Path
    options: RunOptions
    perturbed: list[Path] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    result: Result | None = None

    def prepare(self) -> list[ChildJob]:
        """Writes the data and the specs of the children; returns their jobs, the longest first.

        Raises:
            InputError: the data cannot be used, or float32 is to be judged without a perturbed run.
        """
        spec = self.spec
        if spec.mode != "seeded":
            raise InputError(
                f"mode={spec.mode!r}: expected 'seeded', since runs that draw other random numbers "
                "cannot be compared step by step; use `parity sweep`"
            )
        data = run_data(spec)
        count = self._num_perturbations(len(data.x_train))
        self.directory.mkdir(parents=True)
        save_data(data, self.folder.data)
        jobs = []
        if count:  # they take longest: begun last, they would leave cores idle at the end
            self.perturbed = [self.perturbed_run(number) for number in range(1, count + 1)]
            jobs.append(self.perturbed_job(self.perturbed))
        for half in HALVES:
            jobs.append(self._job(half, half, [planned(self.folder.half(half), spec)]))
        return jobs

    def perturbed_run(self, number: int, *, epochs: int | None = None) -> Path:
        """Plans a perturbed run of the reference; `epochs` makes it a short one."""
        spec = self.spec.replace(perturbation=number, epochs=epochs or self.spec.epochs)
        return planned(self.folder.perturbed(number), spec)

    def perturbed_job(self, directories: Sequence[Path]) -> ChildJob:
        """Returns the job that runs planned perturbed runs, one after the other."""
        return self._job(f"perturbed keras ({directories[0].name})", "keras", directories)

    def compare(self, short: Sequence[Path] = ()) -> LadderComparison:
        """Compares the two traces level by level.

        Args:
            short: further perturbed runs, of fewer epochs.
        """
        keras, torch = self.traces()
        perturbed = [Trace(path) for path in [*self.perturbed, *short]]
        tolerance: Tolerance = Float64Tolerance()
        if perturbed:
            tolerance = Envelope(
                [keras, *perturbed],
                factor=FLOAT64_FACTOR if self.spec.dtype == "float64" else FACTOR,
                floor=FLOAT64 if self.spec.dtype == "float64" else 0.0,
                rules=[r for r in (self.spec.reduce_lr, self.spec.early_stopping) if r is not None],
            )
        return LadderComparison(compare_levels(OF_RUN, keras, torch, tolerance), tolerance)

    def traces(self) -> tuple[Trace, Trace]:
        """Returns the finished traces, Keras's first."""
        return Trace(self.folder.half("keras").path), Trace(self.folder.half("torch").path)

    def finish(self, comparison: LadderComparison | None, *errors: str) -> Result:
        """Writes result.json and removes what was only needed on the way.

        Args:
            comparison: the ladder; None if there is none.
            *errors: why there is none, a paragraph each.
        """
        if comparison is None:
            reasons = (*errors, *(failure.reason for failure in self.failures))
            result = unfinished(self.spec, reasons)
        else:
            keras, torch = self.traces()
            tolerance = comparison.tolerance
            result = Result(
                verdict=verdict_of(comparison.levels),
                spec=self.spec.to_dict(),
                levels=comparison.levels,
                environment={"keras": keras.environment, "torch": torch.environment},
                data={"source": self.spec.data, "sha256": keras.facts["sha256"]},
                behaviour={
                    "keras": judge_trace(keras).to_json(),
                    "torch": judge_trace(torch).to_json(),
                },
                history={"keras": keras.history, "torch": torch.history},
                wall_s={"keras": keras.wall_s, "torch": torch.wall_s},
                envelope=tolerance.to_json() if isinstance(tolerance, Envelope) else None,
            )
        self.result = written(self.folder, result)
        # Data and perturbed runs follow from the spec, and are large.
        self.folder.data.unlink(missing_ok=True)
        for path in self.folder.perturbed_runs():
            shutil.rmtree(path, ignore_errors=True)
        return self.result

    def _num_perturbations(self, num_samples: int) -> int:
        count = self.options.perturbations
        if self.spec.dtype == "float32":
            if count == 0:
                raise InputError(
                    "perturbations=0: float32 needs at least 1 perturbed run, since they measure "
                    "what is allowed; or use dtype float64"
                )
            return count or DEFAULT_PERTURBATIONS
        if count is None:
            num_steps = self.spec.epochs * -(-num_samples // self.spec.batch_size)
            return LONG_RUN_PERTURBATIONS if num_steps > LONG_RUN_STEPS else 0
        return count

    @property
    def folder(self) -> RunFolder:
        """Where the files of the run are."""
        return RunFolder(self.directory)

    def _job(self, label: str, half: str, directories: Sequence[Path]) -> ChildJob:
        return ChildJob(
            name=f"{self.directory.name} {label}",
            half=half,
            python=self.options.children.pythons[half],
            data=self.folder.data,
            directories=tuple(directories),
            log=self.folder.log(label.partition(" ")[0]),
        )
