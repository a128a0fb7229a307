"""Pools, over windows and over whole images."""

from __future__ import annotations

import math

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.keras_config.rows.modules import KerasLayer, moved


def _adaptive(kind: type[nn.Module]) -> Row:
    """Returns the row of a pool to a given size, which is torch's."""

    def plan(entry: Entry) -> Planned:
        sizes = tuple(entry.config["output_size"])
        for length, size in zip(entry.shape[1:-1], sizes, strict=True):
            # Keras also pools over windows that are longer by one. If none fits, TensorFlow returns
            # what is in memory, or ends the process.
            if length is not None and math.ceil(length / size) + 1 > length:
                raise ValueError(
                    f"output_size={sizes} of {tuple(entry.shape[1:-1])}: expected a larger one, "
                    "since Keras's values are undefined; a global pool has an output of 1"
                )
        return Planned(KerasLayer, Planned(kind, sizes))

    return plan


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
for _rank in (1, 2, 3):
    ROWS[f"AdaptiveMaxPooling{_rank}D"] = _adaptive(getattr(nn, f"AdaptiveMaxPool{_rank}d"))
    ROWS[f"AdaptiveAveragePooling{_rank}D"] = _adaptive(getattr(nn, f"AdaptiveAvgPool{_rank}d"))
ROWS["GlobalAveragePooling1D"] = moved(layers.GlobalAveragePooling1D, "keepdims")  # takes masks
