"""The Keras half: the programs of the article as a Keras user writes them, with TensorFlow.

Names are loaded at first use, so that `python -m keras_impl` can set threads before TensorFlow
starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_impl.harness.bench import run_bench
    from keras_impl.harness.check import run_check
    from keras_impl.harness.environment import configure, describe_environment
    from keras_impl.harness.factories import Input, Reference
    from keras_impl.harness.program import fit_program, run_program
    from keras_impl.harness.program.bench import bench_program
    from keras_impl.harness.program.old_model import save_as_h5
    from keras_impl.harness.program.script import factory_of
    from keras_impl.models import build_model
    from keras_impl.train import fit

__all__ = [
    "Input",
    "Reference",
    "bench_program",
    "build_model",
    "configure",
    "describe_environment",
    "factory_of",
    "fit",
    "fit_program",
    "run_bench",
    "run_check",
    "run_program",
    "save_as_h5",
]

_HOMES = {
    "Input": "harness.factories",
    "Reference": "harness.factories",
    "bench_program": "harness.program.bench",
    "build_model": "models",
    "configure": "harness.environment",
    "describe_environment": "harness.environment",
    "factory_of": "harness.program.script",
    "fit": "train",
    "fit_program": "harness.program",
    "run_bench": "harness.bench",
    "run_check": "harness.check",
    "run_program": "harness.program",
    "save_as_h5": "harness.program.old_model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
