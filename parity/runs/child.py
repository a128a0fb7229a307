"""The child process of a whole training: probes, trains and records.

Each directory holds a `spec.json`, the ProgramSpec, and receives the trace of the probes; its
folder `training` receives that of the training. The torch half begins when the probes of the Keras
half are there, and trains while that trains, unless what Keras is fed is known only afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import InputError, RunError
from parity.files.json_io import read_json, write_json
from parity.halves.memory import kept_for_good
from parity.halves.protocol import Half, ProgressLines, say_note
from parity.halves.sources import pause, wait_for
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import program_spec_from
from parity.runs.check_child import in_order, run_each
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.feed_file import read_feed
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace


@dataclass
class ProgramTask:
    """What a half does with a program, and where it writes.

    Attributes:
        spec: of the training.
        folder: of the half.
        report: called after every step with its number, the number of all steps or 0, and the
            running loss.
        pause: called between two looks at what the other half has not written yet.
        probed: called by the Keras half when `probes` is complete.
        keras: for the torch half, what the Keras half wrote of its probes.
        tell: called with what the user is to know while the half works.
        saves_weights: whether the torch half leaves the final weights of both.
        probes: receives what the checks of a single batch compute.
        training: receives `training/...`.
    """

    spec: ProgramSpec
    folder: RunFolder
    report: Callable[[int, int, float], None]
    pause: Callable[[], None]
    probed: Callable[[], None]
    keras: Trace | None = None
    saves_weights: bool = False
    tell: Callable[[str], None] = lambda text: None
    probes: CheckWriter = field(default_factory=CheckWriter)
    training: CheckWriter = field(default_factory=CheckWriter)

    @property
    def source(self) -> RunFolder:
        """The folder of the Keras half."""
        return RunFolder(self.folder.path.parent).half("keras")

    def anchors(self) -> AnchorFolder:
        """Returns the anchors of the Keras half."""
        return AnchorFolder(self.source.training, self.pause)

    def trained(self) -> Trace:
        """Returns the training of the Keras half, as soon as it is there.

        Raises:
            RunError: it will never be there.
        """
        training = self.source.training
        while not training.is_complete:
            if training.has_failed or self.source.has_failed:
                raise RunError("the Keras half ended before its training did")
            self.pause()
        return Trace(training.path)

    def feed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns nests and settings of what Keras's `fit` was fed, as soon as they are there.

        Raises:
            RunError: they will never be there.
        """
        while not self.source.feed.exists():
            if self.source.training.has_ended or self.source.has_failed:
                raise RunError("the Keras half ended before it had told what it was fed")
            self.pause()
        return read_feed(self.source.feed)


def run_programs(
    name: str,
    half: Half,
    directories: Sequence[Path],
    parent: int,
    *,
    saves_weights: bool = False,
) -> None:
    """Runs every directory, one after another.

    Raises:
        InputError: a spec cannot be used.
        ParityError: the error of the last failed directory; each has its own in `failure.json`.
    """
    # A script runs in the folder of its program, and not in that of the command.
    directories = [directory.absolute() for directory in directories]
    specs = [_read_spec(RunFolder(directory).spec) for directory in directories]
    with kept_for_good():
        half.configure(specs[0])
        _ = half.run_program  # imports the framework

    def run(number: int) -> None:
        folder = RunFolder(directories[number])
        _run(name, half, folder, specs[number], parent, saves_weights)

    run_each(directories, run, parent)


def _read_spec(path: Path) -> ProgramSpec:
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); expected the JSON of ProgramSpec.to_dict; write it "
            "again"
        ) from error
    return program_spec_from(values)


def _run(
    name: str,
    half: Half,
    folder: RunFolder,
    spec: ProgramSpec,
    parent: int,
    saves_weights: bool,
) -> None:
    started = time.perf_counter()
    lines = ProgressLines(folder.path.name, parent)
    environment = half.describe_environment(spec)

    def write_probes() -> None:
        told = {**environment, "wall_s": {"check": round(time.perf_counter() - started, 3)}}
        if name == "keras":
            told, task.probes.facts = in_order([told, task.probes.facts])
        task.probes.write(folder.path, environment=told, result=RunResult({}, {}, 0.0))

    task = ProgramTask(
        spec,
        folder,
        report=lambda step, total, loss: lines(step, max(step, total), loss),
        pause=lambda: pause(parent),
        probed=write_probes,
        saves_weights=saves_weights,
        tell=say_note,
    )
    if name == "torch":
        wait_for(task.source, parent)
        if task.source.has_failed:
            return
        task.keras = Trace(task.source.path)
    result = half.run_program(task)
    if name == "torch":
        write_probes()
    folder.training.path.mkdir(exist_ok=True)
    write_json(folder.training.spec, spec.to_dict())
    task.training.write(folder.training.path, environment=environment, result=result)
