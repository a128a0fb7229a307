"""Pair: one spec in both halves, from jobs to a result.

A pair has one run directory: `keras/` and `torch/` with their traces, a log for each child, and
`result.json`. While it runs, it also has the data and the anchors of the reference, which can be
computed again and are large.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from parity.data.load import run_data
from parity.data.transfer import save_data
from parity.errors import InputError
from parity.files.json_io import write_json
from parity.halves.job import ChildJob, Failure
from parity.halves.sources import missing
from parity.ladder.comparers.behaviour import judge_trace
from parity.ladder.drift import told_anchors, told_drift
from parity.ladder.engine import compare_levels
from parity.ladder.items import Level
from parity.ladder.result import Result
from parity.programs.halves import HALVES
from parity.programs.run_spec import RunSpec
from parity.runs.run_options import RunOptions
from parity.runs.steps import planned, unfinished, verdict_of, written
from parity.traces.anchors import are_needed
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace


@dataclass
class Pair:
    """One spec in both halves.

    Attributes:
        spec: the run.
        directory: its run directory.
        options: how to carry it out.
        failures: failed jobs.
        result: set by `finish`.
    """

    spec: RunSpec
    directory: Path
    options: RunOptions
    failures: list[Failure] = field(default_factory=list)
    result: Result | None = None

    def prepare(self) -> list[ChildJob]:
        """Writes the data and the specs of the children; returns their jobs, Keras's first.

        Raises:
            InputError: the data cannot be used.
        """
        spec = self.spec
        if spec.mode != "seeded":
            raise InputError(
                f"mode={spec.mode!r}: expected 'seeded', since runs that draw other random numbers "
                "cannot be compared step by step; use `parity sweep`"
            )
        data = run_data(spec)
        self.directory.mkdir(parents=True)
        save_data(data, self.folder.data)
        has_anchors = are_needed(spec.dtype, spec.num_steps(len(data.x_train)))
        return [self._job(half, follows=has_anchors and half != "keras") for half in HALVES]

    def fail(self, failure: Failure) -> None:
        """Keeps why a job failed, and says so to a half that waits for it."""
        self.failures.append(failure)
        for directory in missing(failure.job):
            half = RunFolder(directory)
            if not half.has_ended:
                write_json(half.failure, {"is_input": False, "message": failure.reason})

    def compare(self) -> tuple[Level, ...]:
        """Compares the two traces level by level."""
        from parity.ladder.table import OF_RUN  # slow, and not needed before

        return compare_levels(OF_RUN, *self.traces())

    def traces(self) -> tuple[Trace, Trace]:
        """Returns the finished traces, Keras's first."""
        return Trace(self.folder.half("keras").path), Trace(self.folder.half("torch").path)

    def finish(self, levels: tuple[Level, ...] | None, *errors: str) -> Result:
        """Writes result.json and removes temporary files.

        Args:
            levels: the ladder; None if there is none.
            *errors: the reasons why there is none, a paragraph each.
        """
        if levels is None:
            reasons = (*errors, *(failure.reason for failure in self.failures))
            result = unfinished(self.spec, reasons)
        else:
            keras, torch = self.traces()
            result = Result(
                verdict=verdict_of(levels),
                spec=self.spec.to_dict(),
                levels=levels,
                environment={"keras": keras.environment, "torch": torch.environment},
                data={"source": self.spec.data, "sha256": keras.facts["sha256"]},
                behaviour={
                    "keras": judge_trace(keras).to_json(),
                    "torch": judge_trace(torch).to_json(),
                },
                history={"keras": keras.history, "torch": torch.history},
                wall_s={"keras": keras.wall_s, "torch": torch.wall_s},
                anchors=told_anchors(
                    keras, next(level for level in levels if level.id == "trajectory")
                ),
                drift=told_drift(keras, torch),
            )
        self.result = written(self.folder, result)
        self.folder.data.unlink(missing_ok=True)
        shutil.rmtree(self.folder.half("keras").anchors, ignore_errors=True)
        self.folder.half("keras").final.unlink(missing_ok=True)  # if the torch half has failed
        return self.result

    @property
    def folder(self) -> RunFolder:
        """The paths of the files of the run."""
        return RunFolder(self.directory)

    def _job(self, half: str, *, follows: bool) -> ChildJob:
        """Plans a half; one that follows reads the anchors of the Keras half, while that trains."""
        return ChildJob(
            name=f"{self.directory.name} {half}",
            half=half,
            python=self.options.children.pythons[half],
            data=self.folder.data,
            directories=(planned(self.folder.half(half), self.spec),),
            log=self.folder.log(half),
            sources=(self.folder.half("keras").path,) if follows else (),
            saves_weights=self.options.save_weights,
        )
