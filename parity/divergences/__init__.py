"""The registry of divergences: how ports are known to differ from Keras, each with a signature.

    evidence -> every entry's `recognise` -> the causes, the surest first

An entry is recognised by numbers where that can be: its own formula, applied to what Keras
computed, gives what the port computed. `names` has the IDs and slugs alone; what needs NumPy is
loaded at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.divergences.registry import REGISTRY, find, recognised

__all__ = ["REGISTRY", "find", "recognised"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.registry"), name)
