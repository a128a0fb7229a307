"""Layers that normalise."""

from __future__ import annotations

from typing import Any

from torch import nn

from parity.ports.form import Applied, Form, Layout, Row, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned


def _batch(planned: Planned, call: Applied) -> Form:
    given = planned.named
    axis = given["axis"] % call.rank
    is_channel = axis == call.rank - 1
    takes = Layout.ANY if is_channel and call.rank > 2 else Layout.LAST
    kept = {
        name: given[name]
        for name, default in (("momentum", 0.99), ("epsilon", 1e-3), ("center", True))
        if given[name] != default
    }
    kept |= {name: False for name in ("scale", "trainable") if not given[name]}
    place = axis if not is_channel or call.layout is not Layout.FIRST else 1
    settings = {**({} if place == 1 else {"axis": place}), **kept}
    made = Planned(layers.BatchNormalization, given["num_features"], **settings)
    return Form("{self}({0})", made, takes, why="moving variance without Bessel's correction")


def _layer(planned: Planned, call: Applied) -> Form:
    given = planned.named
    axes = sorted(axis % call.rank for axis in given["axis"])
    is_last = axes == list(range(call.rank - len(axes), call.rank))
    stock = is_last and given["scale"] and not given["rms_scaling"]
    if not stock:
        return Form(
            "{self}({0})", told(planned), Layout.LAST, why="axes or weights that torch's lacks"
        )
    shape = tuple(given["shape"])
    bias = {} if given["center"] else {"bias": False}
    size = shape[0] if len(shape) == 1 else shape
    made = Planned(nn.LayerNorm, size, eps=given["epsilon"], **bias)
    return Form("{self}({0})", made, Layout.LAST)


def _group(planned: Planned, call: Applied) -> Form:
    given = planned.named
    channels, groups = given["num_channels"], given["groups"]
    is_stock = given["axis"] % call.rank == call.rank - 1 and given["center"] and given["scale"]
    if not is_stock:
        return Form(
            "{self}({0})", told(planned), Layout.LAST, why="an axis or weights that torch lacks"
        )
    groups = channels if groups == -1 else groups
    made = Planned(nn.GroupNorm, groups, channels, eps=given["epsilon"])
    return Form("{self}({0})", made, Layout.FIRST)


ROWS: dict[Any, Row] = {
    layers.BatchNormalization: _batch,
    layers.LayerNormalization: _layer,
    layers.GroupNormalization: _group,
}
