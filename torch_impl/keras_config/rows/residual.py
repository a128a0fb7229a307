"""Layers that networks of keras.applications have of their own."""

from __future__ import annotations

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Row
from torch_impl.keras_config.rows.modules import plain

ROWS: dict[str, Row] = {
    "LayerScale": plain(layers.LayerScale, "init_values", "projection_dim"),
    # Keras draws from its global generator, whose seed is not in the config.
    "StochasticDepth": lambda entry: Planned(
        layers.StochasticDepth, entry.config["drop_path_rate"]
    ),
    "CustomScaleLayer": plain(layers.CustomScaleLayer, "scale"),
}
