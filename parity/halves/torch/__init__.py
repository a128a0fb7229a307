"""The torch half: what the torch child does for the harness.

Names are loaded at first use, so that the child can set threads before torch starts.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "bench_program": "parity.halves.torch.program.bench",
    "configure": "parity.halves.torch.environment",
    "describe_environment": "parity.halves.torch.environment",
    "factory_of": "parity.halves.torch.factories",
    "fit": "torch_impl.train",
    "fit_program": "parity.halves.torch.program",
    "run_bench": "parity.halves.torch.bench",
    "run_check": "parity.halves.torch.check",
    "run_program": "parity.halves.torch.program",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
