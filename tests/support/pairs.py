"""Runs of built-in scenarios for tests, both halves in this process.

A framework takes longer to start than most runs; and the Keras half of a run serves many ports.
"""

from pathlib import Path

import pytest
from made_once import folder_of, locked
from programs_here import result_of, trained

import parity.halves.keras
from parity.ladder.result import Result
from parity.programs.run_spec import RunSpec
from parity.programs.scenario_spec import of_run, program_spec_from
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

# Sizes of the trainings of a scenario that several files look at, so that Keras makes each once:
# five steps an epoch, the last of them with a smaller batch, and more samples than are evaluated at
# once (256), so that this is done in two parts of different sizes.
SHARED = {"epochs": 2, "train_size": 260, "val_size": 40, "batch_size": 64}


def shared_run(tmp_path_factory: pytest.TempPathFactory, spec: RunSpec) -> Path:
    """Returns the folder of a Keras run that is computed once for all files and all workers.

    Nothing may be written to it, and nothing that changes a run may be patched.
    """
    folder = folder_of(tmp_path_factory, "scenario", spec.to_dict())
    keras_run(folder, spec)
    return folder


def keras_run(folder: Path, spec: RunSpec) -> Trace:
    """Returns the training of the Keras half, computed at the first call for a folder.

    Args:
        folder: for this run alone; processes that ask at the same time wait for one another.
        spec: the run.
    """
    training = RunFolder(folder).half("keras").training
    with locked(folder):
        if not training.is_complete:
            trained(parity.halves.keras, of_run(spec), folder)
    return Trace(training.path)


def compared_with(folder: Path, run: Path) -> Result:
    """Returns the result of the torch half as it is now, beside a Keras half that is there.

    Args:
        folder: of `keras_run`.
        run: folder of this run; made here.
    """
    spec = program_spec_from(Trace(RunFolder(folder).half("keras").training.path).spec)
    return result_of(spec, run, folder)


def trainings(run: Path) -> tuple[Trace, Trace]:
    """Returns the trainings of both halves of a run, Keras's first."""
    keras, torch = (RunFolder(run).half(half).training.path for half in ("keras", "torch"))
    return Trace(keras), Trace(torch)


def levels_not_passed(result: Result) -> dict[str, tuple[str, object]]:
    """Returns status and first failure of the levels that do not pass, by level."""
    return {
        level.id: (level.status, level.first_failure)
        for level in result.levels
        if level.applies and level.status != "pass"
    }
