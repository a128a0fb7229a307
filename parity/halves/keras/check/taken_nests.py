"""In which nests a call takes and returns its tensors: lists and dicts, with shapes in them.

A call goes in. Its nests come out, ready for JSON: {"dict": [[key, nest], ...]}, {"list": [nest,
...]}, or {"shape": [...]} of a tensor, batch axis included.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

Nest = dict[str, Any]


def nest_of(value: Any) -> Nest | None:
    """Returns the nest of tensors in a value; None if there is none."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return {"shape": list(value.shape)}
    if isinstance(value, Mapping):
        inner = {str(key): nest_of(each) for key, each in value.items()}
        told = [[key, each] for key, each in inner.items()]
        return {"dict": told} if _is_known(list(inner.values())) else None
    if isinstance(value, list | tuple):
        entries = [nest_of(each) for each in value]
        return {"list": entries} if _is_known(entries) else None
    return None


def nests_of(function: Any, arguments: Any, keywords: Mapping[str, Any]) -> dict[str, Nest]:
    """Returns the nests of the arguments of a call by name; {} if each is one tensor, or has none.

    Args:
        function: that is called: a bound method.
        arguments: in order.
        keywords: by name.
    """
    try:
        bound = inspect.signature(function).bind(*arguments, **keywords).arguments
    except (TypeError, ValueError):  # code of the user's may take anything
        return {}
    nests = {name: nest_of(value) for name, value in bound.items()}
    found = {name: nest for name, nest in nests.items() if nest is not None}
    return found if any("shape" not in nest for nest in found.values()) else {}


def _is_known(entries: list[Nest | None]) -> bool:
    """Whether all entries of a nest are tensors, and there is one."""
    return bool(entries) and None not in entries
