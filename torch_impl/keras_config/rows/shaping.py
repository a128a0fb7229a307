"""Layers that give a tensor another shape."""

from __future__ import annotations

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Row
from torch_impl.keras_config.rows.modules import moved, plain


class KerasFlatten(nn.Flatten):
    """Flattens each example; a number becomes a row of one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, entries of an example)."""
        return super().forward(x) if x.ndim > 1 else x.unsqueeze(1)


ROWS: dict[str, Row] = {
    "Flatten": lambda entry: Planned(KerasFlatten),
    "Reshape": plain(layers.Reshape, "target_shape"),
    "Permute": plain(layers.Permute, "dims"),
    "RepeatVector": plain(layers.RepeatVector, "n"),
    **{
        f"{kind.__name__}{rank}D": moved(kind, *names, rank=rank)
        for kind, *names in (
            (layers.ZeroPadding, "padding"),
            (layers.Cropping, "cropping"),
            (layers.UpSampling, "size", "interpolation"),
        )
        for rank in (1, 2, 3)
    },
}
