"""Convolutions: plain, depthwise, separable, transposed."""

from __future__ import annotations

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.activation import activation_of
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.keras_config.rows.modules import KerasLayer


def _convolution(kind: type[nn.Module], *more: str) -> Row:
    names = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias", *more)

    def plan(entry: Entry) -> Planned:
        layer = Planned(kind, entry.shape[-1], **entry.pick(*names))
        return Planned(KerasLayer, layer, activation_of(entry))

    return plan


ROWS: dict[str, Row] = {
    f"{kind}{rank}D{ending}": _convolution(getattr(layers, f"{kind}{rank}D{ending}"), *names)
    for kind, ending, ranks, names in (
        ("Conv", "", (1, 2, 3), ("filters", "groups")),
        ("Conv", "Transpose", (1, 2, 3), ("filters", "output_padding")),
        ("SeparableConv", "", (1, 2), ("filters", "depth_multiplier")),
        ("DepthwiseConv", "", (1, 2), ("depth_multiplier",)),
    )
    for rank in ranks
}
