"""Operations of keras.ops.image on images in Keras's layout, (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from torch_impl.keras_config.operations.arguments import Function
from torch_impl.layers.image.cropping import Resizing
from torch_impl.layers.sizes import as_tuple, pad, same_paddings


def _extract_patches(
    x: torch.Tensor,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> torch.Tensor:
    """Returns (N, rows, columns, values of a patch): row by row, channels last in each pixel.

    `F.unfold` has the channels first. Source: keras 3.15 `ops/image.py` (`_extract_patches_2d`).
    """
    windows = as_tuple(size, 2, "size")
    steps = windows if strides is None else as_tuple(strides, 2, "strides")
    dilations = as_tuple(dilation_rate, 2, "dilation_rate")
    first = x.movedim(-1, 1)
    if padding == "same":
        first = pad(first, same_paddings(first, windows, steps, dilations))
    sides = zip(first.shape[2:], windows, steps, dilations, strict=True)
    rows, columns = [(n - (window - 1) * d - 1) // step + 1 for n, window, step, d in sides]
    found = F.unfold(first, windows, dilation=dilations, stride=steps)
    split = found.reshape(len(x), x.shape[-1], windows[0] * windows[1], rows, columns)
    return split.permute(0, 3, 4, 2, 1).reshape(len(x), rows, columns, -1)


def _resize(
    x: torch.Tensor, size: Sequence[int], data_format: str = "channels_last", **settings: Any
) -> torch.Tensor:
    height, width = size
    made: torch.Tensor = Resizing(height, width, **settings)(x.movedim(-1, 1))
    return made.movedim(1, -1)


ROWS: dict[str, Function] = {"ExtractPatches": _extract_patches, "Resize": _resize}
