"""Layers that make one tensor of several."""

from __future__ import annotations

from torch_impl import layers
from torch_impl.keras_config.rows.entry import Row
from torch_impl.keras_config.rows.modules import plain

ROWS: dict[str, Row] = {
    **{
        name: plain(getattr(layers, name))
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    },
    "Concatenate": plain(layers.Concatenate, "axis"),
    "Dot": plain(layers.Dot, "axes", "normalize"),
}
