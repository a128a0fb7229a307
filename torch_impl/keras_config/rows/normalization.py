"""Layers that normalise, by statistics of a batch, of a sample, or by given ones."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.keras_config.rows.modules import plain


def _batch_normalization(entry: Entry) -> Planned:
    if entry.config.get("renorm"):
        raise ValueError("renorm=True: expected False")
    names = ("axis", "momentum", "epsilon", "center", "scale", "trainable")
    num_features = entry.shape[entry.config["axis"]]
    return Planned(layers.BatchNormalization, num_features, **entry.pick(*names))


def _over_axes(kind: Callable[..., nn.Module], *names: str) -> Row:
    def plan(entry: Entry) -> Planned:
        axis, shape = entry.config["axis"], entry.shape
        axes = sorted(a % len(shape) for a in ([axis] if isinstance(axis, int) else axis))
        return Planned(kind, [shape[a] for a in axes], axes, **entry.pick(*names))

    return plan


def _group_normalization(entry: Entry) -> Planned:
    names = ("groups", "axis", "epsilon", "center", "scale")
    num_channels = entry.shape[entry.config["axis"]]
    return Planned(layers.GroupNormalization, num_channels, **entry.pick(*names))


def _normalization(entry: Entry) -> Planned:
    shape = entry.shape
    axes = sorted(axis % len(shape) for axis in entry.config["axis"])
    given = entry.pick("mean", "variance", "invert")
    return Planned(layers.Normalization, [shape[axis] for axis in axes], axes, **given)


_SETTINGS = ("epsilon", "center", "scale", "rms_scaling")

ROWS: dict[str, Row] = {
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _over_axes(layers.LayerNormalization, *_SETTINGS),
    "RMSNormalization": _over_axes(layers.RMSNormalization, "epsilon"),
    "GroupNormalization": _group_normalization,
    "UnitNormalization": plain(layers.UnitNormalization, "axis"),
    "Normalization": _normalization,
}
