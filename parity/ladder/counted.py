"""Where the values of an array count, by Keras's masks of sequences: the others are free.

What a port has at masked steps that nothing uses is no difference: packed sequences have zeros
there, where Keras repeats the last output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def counted_key(key: str) -> str:
    """Returns the key of where an array counts: "counted/eval/lstm/output"."""
    part, _, rest = key.partition("/")
    return f"counted/{rest}" if part == "forward" else ""


def counts_of(keras: Trace, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns where an array of Keras counts, in its shape; None if all of it does.

    Args:
        keras: what Keras computed.
        key: of an array, "forward/eval/lstm/output".
        shape: of the array in Keras's layout.
    """
    where = counted_key(key)
    if not where or where not in keras:
        return None
    counts = keras[where]
    if counts.shape != tuple(shape)[: counts.ndim]:
        return None
    widened = counts.reshape(*counts.shape, *[1] * (len(shape) - counts.ndim))
    return np.broadcast_to(widened, shape)


def only_counted(
    keras: Trace, key: str, theirs: np.ndarray, ours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns two arrays with zeros where Keras's does not count.

    Args:
        keras: what Keras computed.
        key: of Keras's array.
        theirs: Keras's array, or what was computed from it in its shape.
        ours: the port's; another shape stays as it is, as a difference.
    """
    counts = None if ours.shape != theirs.shape else counts_of(keras, key, theirs.shape)
    if counts is None or theirs.dtype.kind != "f":
        return theirs, ours
    return np.where(counts, theirs, 0.0), np.where(counts, ours, 0.0)
