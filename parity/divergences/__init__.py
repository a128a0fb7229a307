"""The registry of divergences: the known differences of ports from Keras, each with a signature.

    evidence -> `recognise` of every entry -> the causes, the most likely first

If possible, an entry is recognised by numbers: its formula, applied to Keras's numbers, gives the
port's numbers. `names` has only the IDs and slugs; modules that need NumPy are imported at first
use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.divergences.registry import REGISTRY, find, is_fused, recognised

__all__ = ["REGISTRY", "find", "is_fused", "recognised"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.registry"), name)
