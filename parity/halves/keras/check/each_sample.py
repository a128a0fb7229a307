"""EachSample: one tensor for all samples of a batch, such as the token of the class.

Code makes it by the size of the batch, which a graph does not know. In a graph it is that of
another tensor.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from parity.halves.keras import versions


class EachSample(versions.Operation):
    """Repeats a tensor of one sample for each sample of another tensor."""

    def call(self, x: Any, beside: Any) -> Any:
        """Returns (N, ...).

        Args:
            x: (1, ...).
            beside: (N, ...), of the batch.
        """
        size = keras.ops.shape(beside)[0]
        return keras.ops.broadcast_to(x, (size, *x.shape[1:]))

    def compute_output_spec(self, x: Any, beside: Any) -> keras.KerasTensor:
        """Returns the shape, of which the first side is open."""
        return keras.KerasTensor((beside.shape[0], *x.shape[1:]), dtype=x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns its name."""
        return {"name": self.name}


@contextmanager
def sizes_of_batches(beside: Callable[[], Any]) -> Iterator[None]:
    """Lets `broadcast_to`, `tile` and `repeat` take None for the size of the batch.

    Args:
        beside: returns a tensor of the batch, or None where no code of the user's runs.
    """
    module = importlib.import_module("keras.src.ops.numpy")
    kinds = {module.BroadcastTo: _broadcast, module.Tile: _tile, module.Repeat: _repeat}

    def watched(kind: Any, row: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        own = kind.symbolic_call

        def symbolic_call(operation: Any, x: Any) -> Any:
            like = beside()
            if like is None or None not in _sizes(operation):
                return own(operation, x)
            one = row(operation, x)
            if not one.shape or one.shape[0] != 1:
                raise ValueError("it needs the size of a batch of more than one tensor")
            return EachSample()(one, like)

        return symbolic_call

    for kind, row in kinds.items():
        kind.symbolic_call = watched(kind, row)
    try:
        yield
    finally:
        for kind in kinds:
            del kind.symbolic_call  # that of all operations is there again


def _sizes(operation: Any) -> tuple[Any, ...]:
    given = operation.shape if hasattr(operation, "shape") else operation.repeats
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _broadcast(operation: Any, x: Any) -> Any:
    """Returns what is repeated for each sample."""
    _, *sides = _sizes(operation)
    if len(x.shape) <= len(sides):
        x = keras.ops.expand_dims(x, 0)
    one = (1, *sides)
    return x if tuple(x.shape) == one else keras.ops.broadcast_to(x, one)


def _tile(operation: Any, x: Any) -> Any:
    _, *repeats = _sizes(operation)
    if len(x.shape) <= len(repeats):
        x = keras.ops.expand_dims(x, 0)
    return x if set(repeats) <= {1} else keras.ops.tile(x, (1, *repeats))


def _repeat(operation: Any, x: Any) -> Any:
    if operation.axis != 0:
        raise ValueError("it needs the size of a batch along another axis than the first")
    return x
