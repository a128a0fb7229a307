"""The programs of the article as a Keras user writes them, and what a factory of a user's returns.

`Reference` says more than a compiled model does, and `Input` what an input is. Names are loaded at
first use, so that a child process can set threads before TensorFlow starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_impl.models import build_model
    from keras_impl.reference import Input, Reference
    from keras_impl.train import fit

__all__ = ["Input", "Reference", "build_model", "fit"]

_HOMES = {"Input": "reference", "Reference": "reference", "build_model": "models", "fit": "train"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
