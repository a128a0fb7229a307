"""joined: the batches of an epoch as arrays, so that both halves can be fed them from memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.errors import InputError

NAMES = ("x", "y", "weight")


def joined(batches: Sequence[Any]) -> tuple[dict[str, Any], int]:
    """Joins the batches of an epoch.

    Args:
        batches: each (x,), (x, y) or (x, y, weight), which are nests of arrays (N, ...).

    Returns:
        Nests `x`, `y` and `weight` of all samples, None for what there is not; and the number of
        samples in a batch.

    Raises:
        InputError: there are none, or they have other shapes or sizes, which arrays cannot have.
    """
    parts = [tuple(b) if isinstance(b, tuple | list) else (b,) for b in batches]
    rows = [[_leaves(part) for part in batch] for batch in parts]
    sizes = [len(batch[0][0]) for batch in rows]
    if not sizes or any(size != sizes[0] for size in sizes[:-1]) or sizes[-1] > sizes[0]:
        shown = ", ".join(map(str, sizes[:8])) or "none"
        raise InputError(
            f"`fit` is fed batches of {shown} samples; expected the same number in all but the "
            "last, so that both halves can be timed on the same arrays"
        )
    shapes = {
        tuple(leaf.shape[1:] for part in batch for leaf in part if leaf is not None)
        for batch in rows
    }
    if len(shapes) > 1 or len({len(batch) for batch in parts}) > 1:
        raise InputError(
            "`fit` is fed batches of different shapes; expected one shape, so that both halves can "
            "be timed on the same arrays: pad the samples, or give `fit` arrays"
        )
    whole = [_joined([batch[n] for batch in parts]) for n in range(len(parts[0]))]
    return dict(zip(NAMES, [*whole, None, None], strict=False)), sizes[0]


def _leaves(nest: Any) -> list[Any]:
    if isinstance(nest, Mapping):
        return [leaf for part in nest.values() for leaf in _leaves(part)]
    if isinstance(nest, tuple | list):
        return [leaf for part in nest for leaf in _leaves(part)]
    return [nest]


def _joined(nests: Sequence[Any]) -> Any:
    first = nests[0]
    if first is None:
        return None
    if isinstance(first, Mapping):
        return {name: _joined([nest[name] for nest in nests]) for name in first}
    if isinstance(first, tuple | list):
        return tuple(map(_joined, zip(*nests, strict=True)))
    return np.concatenate(nests)
