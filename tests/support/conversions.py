"""Conversions within this process, without the children that a command starts."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from parity.conversions import run
from parity.files.json_io import read_json, write_json
from parity.programs.check_spec import CheckSpec
from parity.runs.convert import Converted
from parity.weights.copied import REPORT, REQUEST
from parity.weights.read import copy_stored


@contextmanager
def default_dtype():
    before = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(before)


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
