"""Pools, over windows and over whole images."""

from __future__ import annotations

from torch_impl import layers
from torch_impl.keras_config.rows.entry import Row
from torch_impl.keras_config.rows.modules import moved

ROWS: dict[str, Row] = {
    f"{kind}{rank}D": row
    for rank in (1, 2, 3)
    for kind, row in (
        *(
            (kind, moved(getattr(layers, f"{kind}{rank}D"), "pool_size", "strides", "padding"))
            for kind in ("MaxPooling", "AveragePooling")
        ),
        *(
            (kind, moved(getattr(layers, kind), "keepdims"))
            for kind in ("GlobalMaxPooling", "GlobalAveragePooling")
        ),
    )
}
ROWS["GlobalAveragePooling1D"] = moved(layers.GlobalAveragePooling1D, "keepdims")  # takes masks
