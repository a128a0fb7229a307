"""What a module returns, as a nest of outputs: its parts by name, and the same nest with others.

A port returns one tensor, a tuple or list in the order of its output names, or a mapping by them,
nested like that of Keras's model. What it returns beside Keras's outputs stays in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch


def with_parts(returned: Any, names: Sequence[str], by_name: Mapping[str, Any]) -> Any:
    """Returns a nest like the one that a module returned, with other things for its outputs.

    Args:
        returned: by the module.
        names: of its outputs, in the order in which it returns them; none: there is one, the first
            tensor.
        by_name: what takes the place of each output; of the only one by the name "".
    """
    rest = list(names) or [""]

    def next_in(nest: Any) -> Any:
        if not rest:
            return nest
        if isinstance(nest, Mapping):
            parts = {key: next_in(part) for key, part in nest.items()}
            return _like(nest, parts)
        if isinstance(nest, tuple | list):
            parts_in_order = [next_in(part) for part in nest]
            return _of_kind(nest, parts_in_order)
        return by_name[rest.pop(0)] if isinstance(nest, torch.Tensor) else nest

    if isinstance(returned, Mapping) and names:
        return _by_path(returned, by_name, ())
    return next_in(returned)


def _by_path(nest: Mapping[str, Any], by_name: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found = {}
    for key, part in nest.items():
        here = (*path, str(key))
        found[key] = by_name.get("/".join(here), part)
        if "/".join(here) in by_name:
            continue
        if isinstance(part, Mapping):
            found[key] = _by_path(part, by_name, here)
        elif isinstance(part, tuple | list):
            rows = {str(number): each for number, each in enumerate(part)}
            found[key] = _of_kind(part, list(_by_path(rows, by_name, here).values()))
    return _like(nest, found)


def _like(nest: Mapping[str, Any], parts: dict[str, Any]) -> Any:
    """Returns a mapping of the same kind; a class of the user's own may be a mapping."""
    if type(nest) is dict:
        return parts
    build: Callable[..., Any] = type(nest)
    try:
        return build(**parts)
    except TypeError:
        return parts


def _of_kind(nest: Sequence[Any], parts: list[Any]) -> Any:
    return type(nest)(*parts) if hasattr(nest, "_fields") else type(nest)(parts)  # type: ignore[call-arg]
