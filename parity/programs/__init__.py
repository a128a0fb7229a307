"""What can be run: the specs of runs, checks and benchmarks, named scenarios, factories."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.programs.scenarios import scenario

__all__ = ["scenario"]


def __getattr__(name: str) -> Any:
    if name != "scenario":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.scenarios"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
