"""The programs of the article in PyTorch, and the parts of Keras of which they are made.

`fit(spec, data)` trains a spec. The parts are usable on their own in any torch program:
`KerasSeeds`, `philox`, `layers`, `initializers`, `losses`, `metrics`, `regularizers`, `penalty`,
`optim`, `schedule`, `augment`. `from_keras_config` builds the twin of a Keras model. A user's
factory returns a `Port` for `parity check`.

Names are loaded at first use, so that a child process can set threads before torch starts.
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
    from torch_impl.keras_config import from_keras_config
    from torch_impl.models import build_model
    from torch_impl.port import Port
    from torch_impl.seeds import KerasSeeds
    from torch_impl.train import fit
    from torch_impl.trainer import Trainer

__all__ = [
    "KerasSeeds",
    "Port",
    "Trainer",
    "augment",
    "build_model",
    "fit",
    "from_keras_config",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optim",
    "penalty",
    "philox",
    "regularizers",
    "schedule",
]

_HOMES = {
    "KerasSeeds": "seeds",
    "Port": "port",
    "build_model": "models",
    "Trainer": "trainer",
    "fit": "train",
    "from_keras_config": "keras_config",
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
