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
    from parity.runs.check import check
    from parity.runs.record import record
    from parity.runs.run import run
    from parity.testing.assertion import assert_parity

    __version__: str

__all__ = ["RunSpec", "assert_parity", "check", "diagnose", "load_data", "record", "run"]

_HOMES = {
    "RunSpec": "programs.run_spec",
    "assert_parity": "testing.assertion",
    "check": "runs.check",
    "diagnose": "behaviour.diagnosis",
    "load_data": "data.load",
    "record": "runs.record",
    "run": "runs.run",
}


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        from importlib import metadata

        try:
            value = metadata.version("keras-torch-parity")
        except metadata.PackageNotFoundError:  # a checkout that is only on the path
            value = "unknown"
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
