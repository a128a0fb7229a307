"""Checks of arrays. What is wrong ends the program with one line, and with what to do.

Shapes are those of one sample; None: any size.
"""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np

Shape = tuple[int | None, ...]


def fits(found: Shape, wanted: Shape) -> bool:
    """Whether a shape is one that is wanted."""
    return len(found) == len(wanted) and all(
        b in (a, None) for a, b in zip(found, wanted, strict=True)
    )


def shape_told(shape: Shape) -> str:
    """Returns the shape of an array of samples in words: "(N, 4)"."""
    sizes = ["?" if size is None else str(size) for size in shape]
    return f"(N, {', '.join(sizes)})" if sizes else "(N,)"


def refuse_shape(array: np.ndarray, name: str, shape: Shape, why: str = "") -> NoReturn:
    """Ends the program because of a shape, with what would change it."""
    found = array.shape[1:]
    if why:
        pass
    elif len(found) > 1 and fits((*found[1:], found[0]), shape):
        why = f"channels go last by np.moveaxis({name}, 1, -1)"
    elif len(found) > 1 and fits((found[-1], *found[:-1]), shape):
        why = f"channels go first by np.moveaxis({name}, -1, 1)"
    elif shape and fits(array.shape, shape):
        why = f"one sample becomes an array of samples by {name}[None]"
    elif None not in shape and math.prod(found) == math.prod(s or 1 for s in shape):
        sizes = ", ".join(map(str, (-1, *shape)))
        why = f"the order may be right in {name}.reshape({sizes})"
    else:
        why = f"give {name} as the Keras program gives it"
    told = f"{name} has the shape {array.shape}: expected {shape_told(shape)}"
    raise SystemExit(f"{told}; {why}")


def check_finite(array: np.ndarray, name: str) -> None:
    """Rejects NaN and infinite numbers."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(1)
    told = f"NaN or infinite numbers in {bad.sum()} of {len(array)} samples"
    first = f"the first in sample {bad.argmax()}"
    what = "expected finite ones; replace them, or leave these samples out"
    raise SystemExit(f"{name} has {told}, {first}: {what}")


def check_whole(array: np.ndarray, name: str) -> None:
    """Rejects fractions."""
    check_finite(array, name)
    is_whole = array == np.floor(array) if array.dtype.kind == "f" else np.array(True)
    if not is_whole.all():
        number = array[~is_whole][0]
        told = "expected whole numbers, as the Keras program has them"
        raise SystemExit(f"{name} has {number}: {told}")


def check_range(array: np.ndarray, name: str, below: int, why: str) -> None:
    """Rejects whole numbers below 0, or not below a limit."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low >= 0 and high < below:
        return
    told = f"{name} has numbers from {low} to {high}: expected 0 to {below - 1}, {why}"
    if (low, high) == (1, below):
        told += f"; numbers that count from 1 become such by {name} - 1"
    raise SystemExit(told)
