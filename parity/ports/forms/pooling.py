"""Pools, over windows and over whole images: functions of torch where the padding is even."""

from __future__ import annotations

from typing import Any

from torch import nn

from parity.ports.form import Applied, Form, Layout, Row, arguments, even, told
from parity.ports.forms.convolution import UNEVEN, symmetric_padding
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.layers.sizes import as_tuple


def _windows(name: str) -> Row:
    def row(planned: Planned, call: Applied) -> Form:
        given, rank = planned.named, call.rank - 2
        windows = as_tuple(given["pool_size"], rank, "pool_size")
        strides = given["strides"]
        steps = windows if strides is None else as_tuple(strides, rank, "strides")
        amounts = symmetric_padding(given["padding"], call.inputs[0][1:-1], windows, steps)
        # Torch takes no more padding than half a window.
        pairs = zip(amounts or (), windows, strict=False)
        if amounts is None or any(2 * amount > window for amount, window in pairs):
            return Form("{self}({0})", told(planned), Layout.FIRST, why=UNEVEN)
        is_padded = any(amounts)
        settings = arguments(
            even(windows),
            stride=None if steps == windows else even(steps),
            padding=even(amounts) if is_padded else None,
            count_include_pad=False if is_padded and name == "avg" else None,
        )
        return Form(f"F.{name}_pool{rank}d({{0}}, {settings})", None, Layout.FIRST)

    return row


def _whole(method: str) -> Row:
    def row(planned: Planned, call: Applied) -> Form:
        axes = sorted(call.axis(axis) for axis in range(1, call.rank - 1))
        axis = axes[0] if len(axes) == 1 else tuple(axes)
        settings = arguments(axis, keepdim=True if planned.named["keepdims"] else None)
        return Form(f"{{0}}.{method}({settings})")

    return row


def _adaptive(planned: Planned, call: Applied) -> Form:
    return Form("{self}({0})", told(planned), Layout.FIRST)


ROWS: dict[Any, Row] = {
    **{getattr(layers, f"MaxPooling{rank}D"): _windows("max") for rank in (1, 2, 3)},
    **{getattr(layers, f"AveragePooling{rank}D"): _windows("avg") for rank in (1, 2, 3)},
    layers.GlobalAveragePooling: _whole("mean"),
    layers.GlobalAveragePooling1D: _whole("mean"),
    layers.GlobalMaxPooling: _whole("amax"),
    **{getattr(nn, f"AdaptiveMaxPool{rank}d"): _adaptive for rank in (1, 2, 3)},
    **{getattr(nn, f"AdaptiveAvgPool{rank}d"): _adaptive for rank in (1, 2, 3)},
}
