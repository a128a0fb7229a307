"""The PyTorch half: the same run as the Keras half, from the same seed.

`fit(spec, data)` trains a spec. The parts are usable on their own in any torch program:
`KerasSeeds`, `philox`, `layers`, `initializers`, `losses`, `metrics`, `regularizers`, `penalty`,
`optim`, `schedule`, `augment`. `from_keras_config` builds the twin of a Keras model. A user's
factory returns a `Port` for `parity check`.

Names are loaded at first use, so that `python -m torch_impl` can set threads before torch starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_impl import (
        augment,
        initializers,
        layers,
        losses,
        metrics,
        optim,
        penalty,
        philox,
        regularizers,
        schedule,
    )
    from torch_impl.harness.bench import run_bench
    from torch_impl.harness.check import run_check
    from torch_impl.harness.convert.run import run_convert
    from torch_impl.harness.environment import configure, describe_environment
    from torch_impl.harness.factories import Port, factory_of
    from torch_impl.harness.program import fit_program, run_program
    from torch_impl.harness.program.bench import bench_program
    from torch_impl.harness.written import write_port
    from torch_impl.keras_config import from_keras_config
    from torch_impl.models import build_model
    from torch_impl.seeds import KerasSeeds
    from torch_impl.train import fit
    from torch_impl.trainer import Trainer

__all__ = [
    "KerasSeeds",
    "Port",
    "Trainer",
    "augment",
    "bench_program",
    "build_model",
    "configure",
    "describe_environment",
    "factory_of",
    "fit",
    "fit_program",
    "from_keras_config",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optim",
    "penalty",
    "philox",
    "regularizers",
    "run_bench",
    "run_check",
    "run_convert",
    "run_program",
    "schedule",
    "write_port",
]

_HOMES = {
    "KerasSeeds": "seeds",
    "Port": "harness.factories",
    "bench_program": "harness.program.bench",
    "build_model": "models",
    "configure": "harness.environment",
    "describe_environment": "harness.environment",
    "Trainer": "trainer",
    "factory_of": "harness.factories",
    "fit": "train",
    "fit_program": "harness.program",
    "from_keras_config": "keras_config",
    "run_bench": "harness.bench",
    "run_check": "harness.check",
    "run_convert": "harness.convert.run",
    "run_program": "harness.program",
    "write_port": "harness.written",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    value = getattr(module, name) if name in _HOMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
