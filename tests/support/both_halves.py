"""Both halves of a check in this process: a framework takes longer to start than to run."""

from pathlib import Path

import torch

import parity.halves.keras.check.run as keras_half
import parity.halves.torch.check.run as torch_half
from parity.divergences.causes import name_causes
from parity.files.json_io import write_json
from parity.ladder.engine import OF_PROBE, compare_levels
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import RunResult, Trace, TraceWriter


def recorded(factory, folder: Path, **settings) -> Trace:
    """What the Keras half leaves of a factory."""
    return _run(keras_half, factory, folder, CheckSpec(keras="here:build", **settings))


def levels(keras: Trace, factory, folder: Path):
    """The levels of a port by the name of the level, compared with a trace of the Keras half."""
    return {level.id: level for level in checked(keras, factory, folder).levels}


def checked(keras: Trace, factory, folder: Path) -> Result:
    """The result of a port with its causes, compared with a trace of the Keras half."""
    spec = CheckSpec(torch="here:build", seed=keras.spec["seed"], steps=keras.spec["steps"])
    before = torch.get_default_dtype()
    try:
        port = _run(torch_half, factory, folder, spec, keras)
    finally:
        torch.set_default_dtype(before)
    return name_causes(Result("", {}, compare_levels(OF_PROBE, keras, port)), keras, port)


def _run(half, factory, folder, spec, keras=None) -> Trace:
    writer = TraceWriter()
    half.run_check(spec, factory, writer, keras)
    folder.mkdir(parents=True)
    write_json(folder / "spec.json", spec.to_dict())
    writer.write(folder, environment={}, result=RunResult({}, {}, 0.0))
    return Trace(folder)
