"""Stored: what a file says of the weights in it, before any of them is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# No model of Keras has as many, and an array has no more axes.
MAX_WEIGHTS, MAX_AXES = 100_000, 32
MAX_NAME = 500  # characters of a path in a file
MAX_CONFIG = 64 * 2**20  # bytes of JSON; a network of 1,000 layers has 2 MB
# How many times as large as what is stored of it an array may be, and how much more. Keras does not
# compress weights, and a file of zeros that a user has compressed is 1,000 times smaller.
MAX_GROWTH, SLACK = 1024, 2**20
KINDS = "fiub"  # of dtypes: real numbers, integers, booleans


@dataclass(frozen=True)
class StoredArray:
    """An array in a file.

    Attributes:
        key: its path in the file, by which messages name it.
        holder: the names of the layers that hold it, from the outermost one: "inner/dense_1"; ""
            if the file does not say them.
        name: of the variable: "kernel"; "" if the file numbers the variables of a layer.
        number: of the variable among those of its holder.
        shape: of the array.
        dtype: of the array, as `load` returns it.
        load: reads it.
    """

    key: str
    holder: str
    name: str
    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], np.ndarray] = field(repr=False, compare=False)

    def told(self) -> dict[str, Any]:
        """Returns what is known of it, ready for JSON."""
        return {
            "key": self.key,
            "holder": self.holder,
            "name": self.name,
            "number": self.number,
            "shape": list(self.shape),
        }


@dataclass(frozen=True)
class Stored:
    """The weights of a model in a file.

    Attributes:
        form: ".keras", ".weights.h5", ".h5" or "checkpoint".
        weights: of the model, without states of generators, in the order of the file.
        slots: variables of the optimizer, in the order in which the optimizer has them.
        config: of the model, as `model.get_config()` in `{"class_name", "config"}`; None: the file
            has none.
        compiled: what the model was compiled with, in which the optimizer is; None: it is not told.
    """

    form: str
    weights: Sequence[StoredArray]
    slots: Sequence[StoredArray] = ()
    config: dict[str, Any] | None = None
    compiled: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for arrays in (self.weights, self.slots):
            if len(arrays) > MAX_WEIGHTS:
                raise ValueError(
                    f"it holds {len(arrays):,} arrays; expected at most {MAX_WEIGHTS:,}"
                )
            if len({array.key for array in arrays}) < len(arrays):
                raise ValueError("two of its arrays have one name")


def widened(array: np.ndarray) -> np.ndarray:
    """Returns bfloat16 as float32, of which it is the upper half.

    Args:
        array: the bits, as uint16.
    """
    return (array.astype(np.uint32) << 16).view(np.float32)


def check_array(key: str, shape: Sequence[int], dtype: np.dtype[Any], stored: int) -> None:
    """Rejects an array that no layer has, or that claims more than its file can hold.

    Args:
        key: its path, for the message.
        shape: that it claims.
        dtype: that it claims.
        stored: bytes of it in the file.

    Raises:
        ValueError: it is one of these.
    """
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise ValueError(f"{key[:80]!r} is of dtype {str(dtype)[:40]}; expected numbers")
    if len(shape) > MAX_AXES or any(side < 0 for side in shape):
        raise ValueError(f"{key[:80]!r} has the shape {str(tuple(shape))[:80]}")
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_GROWTH * stored + SLACK:
        raise ValueError(
            f"{key[:80]!r} claims {size:,} bytes, of which the file holds {stored:,}; expected at "
            f"most {MAX_GROWTH} times as many"
        )
