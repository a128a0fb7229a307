"""What both halves keep of augmented batches, so that they can be compared.

In: batches (N, H, W, C). Out: a sum over each batch, and the first images of some.
"""

from __future__ import annotations

import numpy as np

# The parameters of an image, by the names of Keras's `get_random_transform`.
DRAWN = (
    *("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical"),
    *("channel_shift_intensity", "brightness"),
)
_MOST_PIXELS = 2**14  # values that are kept of a batch, at least one image


def first_images(batch: np.ndarray) -> np.ndarray:
    """Returns the first images of a batch (N, H, W, C), a copy: at least one."""
    number = max(1, _MOST_PIXELS // max(1, batch[0].size))
    return np.array(batch[:number])


def summed(batch: np.ndarray) -> float:
    """Returns the sum of a batch, in float64 and in the order of its axes."""
    return float(np.ascontiguousarray(batch).sum(dtype=np.float64))
