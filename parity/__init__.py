"""Checks that a PyTorch port trains exactly as its Keras original.

    from parity import RunSpec, load_data, run
    from parity.programs import scenario

Names are loaded at first use; neither framework is ever imported here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.behaviour.diagnosis import diagnose
    from parity.data.load import load_data
    from parity.programs.run_spec import RunSpec
    from parity.runs.run import run
    from parity.testing.assertion import assert_parity

__all__ = ["RunSpec", "assert_parity", "diagnose", "load_data", "run"]

_HOMES = {
    "RunSpec": "programs.run_spec",
    "assert_parity": "testing.assertion",
    "diagnose": "behaviour.diagnosis",
    "load_data": "data.load",
    "run": "runs.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
