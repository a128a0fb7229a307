"""Divergences of the kernel that a layer computes with, found from what the layer gets and makes.

A convolution and a Dense layer are linear in their kernel. So the kernel that gives a layer's
values is the solution of linear equations, also where code masks, turns or normalises it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, is_close
from parity.divergences.relations import FACT, relations

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Array = np.ndarray
_CONVS = ("conv",)
_MOST_UNKNOWN = 600  # of a kernel, for one channel
_MOST_SHOWN = 4


def _kernel(evidence: Evidence) -> Match | None:
    """Recognises another kernel: the same layer, with other numbers in it."""
    x, made, own = evidence.keras_input(), evidence.keras_output(), evidence.own_output()
    is_known = evidence.is_forward(*_CONVS, "dense") and evidence.is_own
    if not is_known or x is None or made is None or own is None or made.shape != own.shape:
        return None
    size, windows = _windows(evidence, x)
    if windows is None or windows.shape[0] != made[..., 0].size:
        return None
    theirs, ours = (_solved(windows, y.reshape(-1, y.shape[-1])) for y in (made, own))
    if theirs is None or ours is None:
        return None
    if is_close(theirs[:-1], ours[:-1], OF_FLOAT32):
        return Match(NUMBERS, "the port computes with another bias")
    shape = (*size, x.shape[-1], made.shape[-1])
    text = _difference(theirs[:-1].reshape(shape), ours[:-1].reshape(shape), len(size))
    return Match(NUMBERS, f"the port computes with another kernel: {text}")


def _windows(evidence: Evidence, x: Array) -> tuple[list[int], Array | None]:
    """Returns the size of a kernel, and a row with what it sees for each value that it makes."""
    config, rank = evidence.config, x.ndim - 2
    if evidence.kind == "dense":
        rows: Array = x.reshape(-1, x.shape[-1])
        return [], _with_ones(rows)
    size, strides, dilation = (
        list(value) if isinstance(value, list | tuple) else [int(value)] * rank
        for value in (config["kernel_size"], config["strides"], config.get("dilation_rate", 1))
    )
    if config.get("groups", 1) != 1 or np.prod(size) * x.shape[-1] > _MOST_UNKNOWN:
        return size, None
    padding = [(0, 0)] * rank
    if config["padding"] == "same":
        padding = arithmetic.same_padding(x.shape[1:-1], size, strides, dilation)
    elif config["padding"] == "causal":
        padding = [((size[0] - 1) * dilation[0], 0)]
    unknown = int(np.prod(size)) * x.shape[-1]
    every = np.eye(unknown).reshape(*size, x.shape[-1], unknown)
    seen = arithmetic.conv(x, every, None, strides, padding, dilation)
    return size, _with_ones(seen.reshape(-1, unknown))


def _with_ones(rows: Array) -> Array:
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


def _solved(rows: Array, made: Array) -> Array | None:
    """Returns the one kernel, with its bias last, that gives some values, or None."""
    unknown = rows.shape[1]
    if unknown > min(len(rows), _MOST_UNKNOWN) or not np.isfinite(made).all():
        return None
    found, _, rank, _ = np.linalg.lstsq(rows, made, rcond=None)
    if rank < unknown or not is_close(rows @ found, made, 1e-8):
        return None
    return np.asarray(found)


def _difference(theirs: Array, ours: Array, rank: int) -> str:
    limit = OF_FLOAT32 * float(np.abs(theirs).max() or 1.0)
    places = tuple(range(rank))
    at = np.abs(theirs - ours).max(tuple(range(rank, theirs.ndim))) > limit
    shown = [list(map(int, each)) for each in np.argwhere(at)[:_MOST_SHOWN]] if rank else []
    told = ", ".join(map(str, shown)) + (", ..." if at.sum() > len(shown) else "")
    if shown and not at.all():
        if np.abs(theirs[at]).max() <= limit:
            return f"{told} count in the port, and are zero in Keras"
        if np.abs(ours[at]).max() <= limit:
            return f"{told} are zero in the port, and count in Keras"
    for axes in _sets(places):
        if np.abs(np.flip(theirs, axes) - ours).max() <= limit:
            return f"Keras's flipped along {', '.join(map(str, axes))}"
    known = next(iter(relations(theirs, ours, OF_FLOAT32)), None)
    if known is not None and known.kind != FACT:
        return known.text
    if shown and not at.all():
        return f"it differs at {told} alone"
    return f"it differs by up to {float(np.abs(theirs - ours).max()):.3g}"


def _sets(axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [s for n in range(1, len(axes) + 1) for s in itertools.combinations(axes, n)]


RULES: dict[str, Recogniser] = {"A43": _kernel}
