"""What both halves keep of augmented batches, so that they can be compared.

In: batches (N, H, W, C). Out: a sum over each batch, and the first images of some. Of what was
drawn for a flow, the samples and the parameters of the first images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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


def put_draws(
    writer: TraceWriter, sizes: np.ndarray, index: np.ndarray, drawn: Mapping[str, np.ndarray]
) -> None:
    """Writes what was drawn for the first batches, as many as have MOST_DRAWN images.

    Args:
        writer: receives `training/flow/sizes`, `training/flow/index` and `training/flow/drawn/NAME`
            of these batches.
        sizes: (batches,) numbers of images.
        index: (images,) numbers of the samples.
        drawn: parameters of the images, (images,) each, or (1,) if it is the same for all.
    """
    number = max(1, int(np.searchsorted(np.cumsum(sizes), MOST_DRAWN, side="right")))
    kept = sizes[:number].astype(np.int64)
    rows = slice(int(kept.sum()))
    writer.put("training/flow/sizes", kept)
    if not len(kept):
        return
    writer.put("training/flow/index", index[rows].astype(np.int64))
    for name, values in drawn.items():
        column = np.broadcast_to(np.asarray(values, np.float64), index.shape)
        writer.put(f"training/flow/drawn/{name}", np.array(column[rows]))
