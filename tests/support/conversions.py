"""Conversions within this process, without the children that a command starts."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from parity.conversions import run
from parity.files.json_io import read_json, write_json
from parity.programs.check_spec import CheckSpec
from parity.runs.convert import Converted
from parity.weights.copied import OPTIMIZER, REPORT, REQUEST, STATE
from parity.weights.read import copy_stored


@contextmanager
def default_dtype(dtype=None):
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype or before)
        yield
    finally:
        torch.set_default_dtype(before)


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    """The state of a module that a conversion has written."""
    return load_file(folder / "torch" / STATE)


def loaded(factory, folder: Path):
    """The module or the port as a user has it, in float32, with what a conversion has written."""
    with default_dtype(torch.float32):
        built = factory()
    getattr(built, "module", built).load_state_dict(state_of(folder))
    if (folder / "torch" / OPTIMIZER).exists():
        built.optimizer.load_state_dict(torch.load(folder / "torch" / OPTIMIZER, weights_only=True))
    return built


def predicted(module, x) -> np.ndarray:
    with torch.no_grad():
        return module.eval()(torch.as_tensor(x)).numpy()


def assert_goes_on(port, path: Path, x, y, *, feed=torch.from_numpy, tolerance) -> None:
    """One more step by the mean squared error, in float32; both halves begin at the file."""
    import keras

    port.module.train()
    loss = (port.module(feed(x)) - torch.from_numpy(y)).square().mean()
    loss.backward()
    if port.before_step is not None:
        port.before_step(port.module)
    port.optimizer.step()
    model = keras.models.load_model(path)
    theirs = float(model.train_on_batch(x, y))
    assert abs(loss.item() - theirs) <= 1e-5 * theirs
    ours, theirs = predicted(port.module, feed(x)), model.predict(x, verbose=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def converted(source: Path, factory, folder: Path, **request) -> Converted:
    """What `run_convert` tells of a file and a factory; the folder has what it leaves."""
    (folder / "weights").mkdir(parents=True)
    (folder / "torch").mkdir()
    copy_stored(source, folder / "weights")
    asked = {"path": str(source), "is_bundle": False, "config": None, "layers": {}, "state": None}
    asked["same_rows"] = []
    write_json(
        folder / "torch" / REQUEST, {**asked, "optimizer": False, "anyway": False, **request}
    )
    limit, run.limit_memory = run.limit_memory, lambda number: None  # this process has more to do
    try:
        with default_dtype():
            run.run_convert(CheckSpec(torch="a:b"), factory, folder / "torch")
    finally:
        run.limit_memory = limit
    return Converted(**read_json(folder / "torch" / REPORT))


def converted_model(model, factory, folder: Path, **request) -> Converted:
    """The same of a Keras model in memory, whose weights are drawn anew first."""
    folder.mkdir(exist_ok=True)
    draw = np.random.default_rng(1)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(weight + draw.uniform(0.1, 0.4, weight.shape))
    model.save(folder / "model.keras")
    return converted(folder / "model.keras", factory, folder / "made", **request)
