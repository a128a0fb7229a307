"""What both halves keep of augmented batches, so that they can be compared.

In: batches (N, H, W, C). Out: a sum over each batch, and the first images of some. Of what was
drawn for a flow, the samples and the parameters of the first images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from parity.traces.trace import TraceWriter

# The parameters of an image, by the names of Keras's `get_random_transform`.
DRAWN = (
    *("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical"),
    *("channel_shift_intensity", "brightness"),
)
_MOST_PIXELS = 2**14  # values that are kept of a batch, at least one image
MOST_DRAWN = 2**16  # images whose parameters are kept


def first_images(batch: np.ndarray) -> np.ndarray:
    """Returns the first images of a batch (N, H, W, C), a copy: at least one."""
    number = max(1, _MOST_PIXELS // max(1, batch[0].size))
    return np.array(batch[:number])


def summed(batch: np.ndarray) -> float:
    """Returns the sum of a batch, in float64 and in the order of its axes."""
    return float(np.ascontiguousarray(batch).sum(dtype=np.float64))


def put_draws(writer: TraceWriter, drawn: Sequence[tuple[np.ndarray, Mapping[str, Any]]]) -> None:
    """Writes what was drawn for the first batches, as many as have MOST_DRAWN images.

    Args:
        writer: receives `training/flow/sizes` (batches,), `training/flow/index` (images,) and
            `training/flow/drawn/NAME` (images,) each.
        drawn: of every batch the numbers of its samples (N,), and the parameters of their images,
            (N,) each.
    """
    ends = np.cumsum([len(index) for index, _ in drawn])
    kept = drawn[: max(1, int(np.searchsorted(ends, MOST_DRAWN, side="right")))]
    writer.put("training/flow/sizes", np.array([len(index) for index, _ in kept], np.int64))
    if not kept:
        return
    writer.put("training/flow/index", np.concatenate([index for index, _ in kept]).astype(np.int64))
    for name in kept[0][1]:
        values = np.concatenate([np.asarray(params[name], np.float64) for _, params in kept])
        writer.put(f"training/flow/drawn/{name}", values)
