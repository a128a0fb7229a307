"""Layers that draw random numbers in train mode: dropouts and noise."""

from __future__ import annotations

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row, dtype_of
from torch_impl.keras_config.rows.modules import KerasLayer, seeded


def _alpha_dropout(entry: Entry) -> Planned:
    """Draws in the dtype of the policy; Keras draws in its floatx, which the config lacks."""
    given, seed = entry.pick("rate", "noise_shape"), entry.config.get("seed") or 0
    random_dtype = dtype_of(entry.config)
    layer = Planned(layers.AlphaDropout, **given, seed=seed, random_dtype=random_dtype)
    return Planned(KerasLayer, layer)


ROWS: dict[str, Row] = {
    "Dropout": seeded(layers.Dropout, "rate", "noise_shape"),
    "AlphaDropout": _alpha_dropout,
    "GaussianNoise": seeded(layers.GaussianNoise, "stddev"),
    "GaussianDropout": seeded(layers.GaussianDropout, "rate"),
    **{f"SpatialDropout{rank}D": seeded(layers.SpatialDropout, "rate") for rank in (1, 2, 3)},
}
