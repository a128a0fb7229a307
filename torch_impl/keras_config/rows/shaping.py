"""Layers that give a tensor another shape."""

from __future__ import annotations

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.rows.entry import Row
from torch_impl.keras_config.rows.modules import moved, plain

ROWS: dict[str, Row] = {
    "Flatten": lambda entry: nn.Flatten(),
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
