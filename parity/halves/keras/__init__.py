"""The Keras half: what the Keras child does for the harness.

Names are loaded at first use, so that the child can set threads before TensorFlow starts.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "bench_program": "parity.halves.keras.bench",
    "configure": "parity.halves.keras.environment",
    "describe_environment": "parity.halves.keras.environment",
    "factory_of": "parity.halves.keras.program.script",
    "fit": "keras_impl.train",
    "fit_program": "parity.halves.keras.program",
    "run_bench": "parity.halves.keras.bench",
    "run_check": "parity.halves.keras.check",
    "run_program": "parity.halves.keras.program",
    "save_as_h5": "parity.halves.keras.program.old_model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
