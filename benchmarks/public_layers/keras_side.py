"""Factories of the Keras models of the table, by the names of the settings.

"Dense_1__Conv2D_3" has two branches.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.public_layers.models import checkable
from benchmarks.public_layers.table import SETTINGS


def __getattr__(name: str) -> Any:
    """Returns the factory of settings.

    Raises:
        AttributeError: there is no such setting.
    """
    names = name.split("__")
    if not SETTINGS.keys() >= set(names):
        raise AttributeError(name)
    return partial(checkable, [SETTINGS[each] for each in names])
