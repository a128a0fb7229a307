"""`parity check` of settings against their twins, many in one child of each framework."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras

from benchmarks.public_layers.models import checkable
from benchmarks.public_layers.setting import Setting
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "benchmarks.public_layers"
Branches = Sequence[Setting]


def name_of(branches: Branches) -> str:
    """Returns the name of the factories of a model with these branches."""
    return "__".join(setting.name for setting in branches)


def checked(models: Sequence[Branches], steps: int = 2) -> Iterator[Result]:
    """Yields the result of each model.

    Args:
        models: the branches of each; all of them have twins.
        steps: of the training in a check.
    """
    with tempfile.TemporaryDirectory(prefix="parity-layers-") as folder:
        os.environ["PARITY_CONFIGS"] = folder
        specs = []
        for branches in models:
            keras.utils.clear_session()
            name = name_of(branches)
            Path(folder, f"{name}.json").write_text(checkable(branches).to_json(), "utf-8")
            keras_side, torch_side = (
                f"{PACKAGE}.{half}_side:{name}" for half in ("keras", "torch")
            )
            specs.append(
                CheckSpec(
                    keras=keras_side, torch=torch_side, steps=steps, batch_size=3, folder=str(ROOT)
                )
            )
        yield from check_all(specs, CheckOptions())


def verdict(result: Result) -> str:
    """Returns the verdict of a check with its reason; "" for a pass."""
    if result.verdict == "pass":
        return ""
    told = [f"{item['what']}: {item['why']}" for item in result.incomplete]
    told += [f"{found.level}: {found.item.name}" for found in result.divergences]
    return " ".join(f"{result.verdict}: {'; '.join([*told, *result.errors][:2])}".split())
