"""Images as data URLs: inputs of the halves, and images on which they disagree."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

MAX_SIDE = 96  # pixels; larger images are reduced, so that a page stays small


def data_url(pixels: np.ndarray) -> str:
    """Returns an image as a PNG in a data URL.

    Args:
        pixels: (H, W, C) in [0, 1]; C = 1 is grey, 3 is red, green, blue; of any other number of
            channels the first is shown.
    """
    from PIL import Image

    bytes_ = np.round(255 * np.clip(np.nan_to_num(pixels), 0, 1)).astype(np.uint8)
    image = Image.fromarray(bytes_ if bytes_.shape[2] == 3 else bytes_[:, :, 0])
    if max(image.size) > MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def on_one_scale(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns images with all values in [0, 1], where they are not yet; one scale for all."""
    finite = [array[np.isfinite(array)] for array in arrays]
    low = min((float(values.min()) for values in finite if values.size), default=0.0)
    high = max((float(values.max()) for values in finite if values.size), default=1.0)
    if low >= 0 and high <= 1:
        return list(arrays)
    return [(array - low) / ((high - low) or 1.0) for array in arrays]
