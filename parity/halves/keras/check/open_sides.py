"""Sizes that a graph does not know: code may count along an open side of a tensor.

`ops.arange(ops.shape(x)[1])` are the positions of a sequence of any length. While code runs on
tensors without numbers, `ops.shape` gives an `OpenSide` in the place of None, of which positions
can be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from parity.halves.keras import versions


class OpenSide:
    """The length of a side of a tensor, which is known when the graph runs.

    Args:
        tensor: of the graph.
        axis: of the side.
    """

    def __init__(self, tensor: Any, axis: int) -> None:
        self.tensor, self.axis = tensor, axis


class Positions(versions.Operation):
    """Counts along a side of a tensor: 0, 1, 2, ...

    Args:
        axis: of the side.
        dtype: of the numbers.
    """

    def __init__(self, axis: int, dtype: str = "int32", **options: Any) -> None:
        super().__init__(**options)
        self.axis, self.dtype = axis, dtype

    def call(self, x: Any) -> Any:
        """Returns (length of the side,)."""
        return keras.src.ops.arange(keras.src.ops.shape(x)[self.axis], dtype=self.dtype)

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        """Returns the shape, whose only side is open."""
        return keras.KerasTensor((None,), dtype=self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns name, axis and dtype."""
        return {"name": self.name, "axis": self.axis, "dtype": self.dtype}


@contextmanager
def open_sides(is_in_code: Callable[[], bool]) -> Iterator[None]:
    """Lets code of the user's count along sides that a graph does not know.

    Keras's own layers call these functions by another module.

    Args:
        is_in_code: whether code of the user's runs.
    """
    ops = keras.ops
    own = {name: getattr(ops, name) for name in ("shape", "arange", "reshape")}

    def shape(x: Any) -> Any:
        sides = own["shape"](x)
        if not is_in_code() or not isinstance(x, keras.KerasTensor):
            return sides
        return tuple(
            OpenSide(x, axis) if axis and side is None else side for axis, side in enumerate(sides)
        )

    def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
        if not any(isinstance(each, OpenSide) for each in (start, stop, step)):
            return own["arange"](start, stop, step, dtype)
        first, end = (0, start) if stop is None else (start, stop)
        is_counted = isinstance(end, OpenSide) and not isinstance(first, OpenSide)
        if not is_counted or first != 0 or step not in (None, 1):
            raise ValueError("it counts along an open side, and not by one from 0")
        return Positions(end.axis, str(dtype or "int32"))(end.tensor)

    def reshape(x: Any, newshape: Any) -> Any:
        sides = newshape if isinstance(newshape, list | tuple) else (newshape,)
        if not any(isinstance(side, OpenSide) for side in sides):
            return own["reshape"](x, newshape)
        return _with_ones(x, sides)

    changed = {"shape": shape, "arange": arange, "reshape": reshape}
    for name, function in changed.items():
        setattr(ops, name, function)
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(ops, name, function)


def _with_ones(x: Any, sides: Sequence[Any]) -> Any:
    """Returns a tensor with sides of 1 before its own, of which some are open.

    Raises:
        ValueError: its sides would be others.
    """
    more = len(sides) - len(x.shape)
    pairs = zip(sides[more:], x.shape, strict=True) if more >= 0 else ()
    is_alike = more >= 0 and all(
        own is None if isinstance(side, OpenSide) else side == own for side, own in pairs
    )
    if not is_alike or any(side != 1 for side in sides[:more]):
        raise ValueError("it gives a tensor other sides along one that is open")
    for _ in range(more):
        x = keras.ops.expand_dims(x, 0)
    return x
