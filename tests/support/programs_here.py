"""Whole trainings of the user's program of these tests, both halves in this process."""

import shutil
from pathlib import Path

from made_once import folder_of, locked

import parity.halves.keras
import parity.halves.torch
from parity.files.json_io import write_json
from parity.programs.program_spec import ProgramSpec
from parity.runs.child import ProgramTask, in_order
from parity.runs.pair import compared
from parity.traces.folder import RunFolder
from parity.traces.trace import RunResult, Trace

FOLDER = Path(__file__).parent / "user_program"


def spec_of(keras="keras_side.py:build", torch="torch_side.py:build", **settings):
    return ProgramSpec(keras=keras, torch=torch, folder=str(FOLDER), **settings)


def trained(half, spec, run):
    """Trains one half; its traces lie in the folder of the run."""
    folder = RunFolder(run).half("keras" if half is parity.halves.keras else "torch")
    folder.path.mkdir(parents=True)
    write_json(folder.spec, spec.to_dict())
    environment = {"framework": folder.path.name}

    def write_probes():
        if half is parity.halves.keras:  # as its child does
            task.probes.facts = in_order([task.probes.facts])[0]
        task.probes.write(folder.path, environment=environment, result=RunResult({}, {}, 0.0))

    task = ProgramTask(
        spec, folder, report=lambda *_: None, pause=lambda: None, probed=write_probes
    )
    if half is parity.halves.torch:
        task.keras = Trace(RunFolder(run).half("keras").path)
    result = half.run_program(task)
    if half is parity.halves.torch:
        write_probes()
    folder.training.path.mkdir(exist_ok=True)
    write_json(folder.training.spec, spec.to_dict())
    task.training.write(folder.training.path, environment=environment, result=result)


def keras_half(tmp_path_factory, spec):
    """Returns the run folder of a Keras half, trained once for all files and all workers.

    Nothing may be written to it, and nothing that changes a training may be patched.
    """
    spec = spec.replace(torch=None)  # serves every port
    folder = folder_of(tmp_path_factory, "half", spec.to_dict())
    with locked(folder):
        if not RunFolder(folder).half("keras").training.is_complete:
            trained(parity.halves.keras, spec, folder)
    return folder


def result_of(spec, run, reference=None):
    """Trains both halves, or the port beside a reference that is there; returns the result."""
    if reference is None:
        trained(parity.halves.keras, spec, run)
    else:
        shutil.copytree(RunFolder(reference).half("keras").path, RunFolder(run).half("keras").path)
    trained(parity.halves.torch, spec, run)
    return compared(spec, RunFolder(run))


def left_out(result):
    """What a result does not compare, with the reason."""
    return {each["what"]: each["why"] for each in result.not_compared}
