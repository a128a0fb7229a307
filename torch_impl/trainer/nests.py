"""Nests: arrays in tuples, lists and mappings, as `fit` takes several inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """Applies a function to every array of a nest; None stays None.

    Args:
        function: of one array.
        nest: an array, None, or a tuple, list or mapping of nests.

    Returns:
        The same structure.
    """
    if nest is None:
        return None
    if isinstance(nest, Mapping):
        return {name: mapped(function, part) for name, part in nest.items()}
    if isinstance(nest, tuple | list):
        return type(nest)(mapped(function, part) for part in nest)
    return function(nest)


def leaves(nest: Any) -> Iterator[Any]:
    """Yields the arrays of a nest, without None."""
    if nest is None:
        return
    if isinstance(nest, Mapping):
        nest = list(nest.values())
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from leaves(part)
        return
    yield nest
