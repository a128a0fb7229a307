"""What schedules and rules give to a checkpoint: plain values, which `weights_only=True` loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch


def plain(value: Any) -> Any:
    """Returns a number of NumPy or torch as Python's number, lists with such, others unchanged."""
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    is_number = isinstance(value, np.generic) or (
        isinstance(value, torch.Tensor) and value.ndim == 0
    )
    return value.item() if is_number else value


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text, None, or a list or tuple of these."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def check_names(rule: object, state: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises a ValueError unless a state has the names of the state of a rule, and no others."""
    wanted = sorted(names)
    if sorted(state) != wanted:
        raise ValueError(
            f"state with {', '.join(map(str, state)) or 'nothing'}: expected the state_dict of "
            f"{type(rule).__name__}, with {', '.join(wanted)}"
        )
