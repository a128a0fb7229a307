"""Pair: one training of a program in both halves, from jobs to a result.

A pair has one run directory: `keras/` and `torch/` with the traces of their probes and trainings, a
log for each child, and `result.json`. While it runs, it also has what the Keras half was fed and
its recorded states, which can be computed again and are large.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildJob, Failure, can_fork
from parity.ladder.items import Level
from parity.ladder.result import Result
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.runs.run_options import RunOptions
from parity.runs.steps import planned, unfinished, written
from parity.traces.folder import RunFolder


class Pair:
    """One training of a program in both halves.

    Args:
        spec: of the training.
        directory: of the run, which exists and is empty.
        options: how to carry it out.
        comparison: makes the result of what both halves left.
        data: of a scenario, as its result tells them; empty for a program, which has its own.
    """

    def __init__(
        self,
        spec: ProgramSpec,
        directory: Path,
        options: RunOptions,
        comparison: Callable[[ProgramSpec, RunFolder], Result],
        data: Mapping[str, Any],
    ) -> None:
        self._comparison, self._data = comparison, data
        self.spec, self.directory, self.options = spec, directory, options
        self.failures: list[Failure] = []
        self.result: Result | None = None
        self._compared: Result | None = None

    def prepare(self) -> list[ChildJob]:
        """Writes the specs of the children; returns their jobs, Keras's first.

        Raises:
            InputError: the bundle that stands for the Keras half cannot be used.
        """
        if (against := self.options.against) is None:
            return [self._job(half) for half in HALVES]
        against.unpack(against.path, self.folder.half("keras"))
        return [self._job("torch")]

    def fail(self, failure: Failure) -> None:
        """Keeps why a job failed, and says so to a half that waits for it."""
        self.failures.append(failure)
        half = self.folder.half(failure.job.half)
        for folder in (half, half.training):
            if not folder.has_ended:
                folder.path.mkdir(exist_ok=True)
                write_json(folder.failure, {"is_input": False, "message": failure.reason})

    def compare(self) -> tuple[Level, ...]:
        """Compares what both halves left."""
        self._compared = self._comparison(self.spec, self.folder)
        return self._compared.levels

    def finish(self, levels: tuple[Level, ...] | None, *errors: str) -> Result:
        """Writes result.json, and removes what the halves were fed unless it is kept.

        Args:
            levels: the ladder; None if there is none.
            *errors: the reasons why there is none, a paragraph each.
        """
        if levels is None:
            reasons = (*errors, *self._told())
            result = unfinished(self.spec, reasons, mode="replayed")
        else:
            assert self._compared is not None
            result = replace(self._compared, data=dict(self._data))
        self.result = written(self.folder, result)
        keras = self.folder.half("keras")
        if not self.options.keeps_feed:
            keras.feed.unlink(missing_ok=True)
        shutil.rmtree(keras.training.anchors, ignore_errors=True)
        return self.result

    @property
    def folder(self) -> RunFolder:
        """The paths of the files of the run."""
        return RunFolder(self.directory)

    def _told(self) -> list[str]:
        """Returns why the halves failed: what they wrote themselves, else what was seen of them."""
        found = []
        for failure in self.failures:
            half = self.folder.half(failure.job.half)
            told = [f.failure for f in (half, half.training) if f.failure.exists()]
            reason = str(read_json(told[0])["message"]) if told else failure.reason
            if reason not in found:
                found.append(reason)
        return found

    def _job(self, half: str) -> ChildJob:
        return ChildJob(
            name=f"{self.directory.name} {half}",
            half=half,
            python=self.options.children.pythons[half],
            directories=(planned(self.folder.half(half), self.spec),),
            log=self.folder.log(half),
            sources=(self.folder.half("keras").path,) if half == "torch" else (),
            saves_weights=self.options.save_weights,
            may_fork=can_fork(self.spec),
        )
