"""Layers that give a tensor another shape."""

from __future__ import annotations

from typing import Any

from parity.ports.form import Applied, Form, Layout, Row, arguments, even, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.shaping import KerasFlatten
from torch_impl.layers.sizes import as_tuple


def _flatten(planned: Planned, call: Applied) -> Form:
    shape = call.inputs[0]
    if len(shape) == 1:
        return Form("{0}.unsqueeze(1)")
    if len(shape) == 2:
        return Form("{0}")
    if call.layout is not Layout.FIRST or set(shape[1:-1]) == {1} or shape[-1] == 1:
        return Form("{0}.flatten(1)")
    order = "(H, W, C)" if len(shape) == 4 else "(..., C)"
    return Form("{0}.movedim(1, -1).flatten(1)", note=f"Keras's order, {order}")


def _reshape(planned: Planned, call: Applied) -> Form:
    target = tuple(planned.named["target_shape"])
    first = "len({0})" if -1 in target else "-1"
    told = ", ".join([first, *map(str, target)])
    return Form(f"{{0}}.reshape({told})", None, Layout.LAST)


def _permute(planned: Planned, call: Applied) -> Form:
    dims = tuple(planned.named["dims"])
    text = "{0}.transpose(1, 2)" if dims == (2, 1) else f"{{0}}.permute({arguments(0, *dims)})"
    return Form(text, None, Layout.LAST)


def _repeat(planned: Planned, call: Applied) -> Form:
    return Form(f"{{0}}.unsqueeze(1).expand(-1, {planned.named['n']}, -1)")


def _pairs(value: Any, rank: int) -> list[tuple[int, int]]:
    """Returns (before, after) of each axis of what Keras's padding or cropping may be."""
    if isinstance(value, int):
        return [(value, value)] * rank
    if rank == 1 and all(isinstance(part, int) for part in value):
        return [(value[0], value[-1])]
    return [(part, part) if isinstance(part, int) else (part[0], part[1]) for part in value]


def _padding(planned: Planned, call: Applied) -> Form:
    pairs = _pairs(planned.named["padding"], call.rank - 2)
    amounts = tuple(number for pair in reversed(pairs) for number in pair)  # the last axis first
    return Form(f"F.pad({{0}}, {arguments(amounts)})", None, Layout.FIRST)


def _cropping(planned: Planned, call: Applied) -> Form:
    pairs = _pairs(planned.named["cropping"], call.rank - 2)
    parts = [f"{before or ''}:{-after if after else ''}" for before, after in pairs]
    return Form(f"{{0}}[:, :, {', '.join(parts)}]", None, Layout.FIRST)


def _upsampling(planned: Planned, call: Applied) -> Form:
    given, rank = planned.named, call.rank - 2
    if given.get("interpolation", "nearest") != "nearest":
        # Keras rounds what it makes of whole numbers, which may reach a port as real ones.
        text = "{self}({0}).round()" if call.whole else "{self}({0})"
        return Form(text, told(planned), Layout.FIRST, why="TensorFlow's weights of pixels")
    factor = even(as_tuple(given["size"], rank, "size"))
    return Form(f"F.interpolate({{0}}, {arguments(scale_factor=factor)})", None, Layout.FIRST)


ROWS: dict[Any, Row] = {
    KerasFlatten: _flatten,
    layers.Reshape: _reshape,
    layers.Permute: _permute,
    layers.RepeatVector: _repeat,
    layers.ZeroPadding: _padding,
    layers.Cropping: _cropping,
    layers.UpSampling: _upsampling,
}
