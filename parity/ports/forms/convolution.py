"""Convolutions: torch's own where Keras pads both sides alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from parity.ports.form import Applied, Form, Layout, Row, even, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.layers.sizes import as_tuple, same_padding

_STOCK = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
UNEVEN = "Keras's 'same' pads more behind than in front"


def symmetric_padding(
    padding: str,
    sizes: Sequence[int | None],
    windows: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int] | None = None,
) -> tuple[int, ...] | None:
    """Returns how many rows Keras adds on either side of each axis; None if the sides differ.

    Args:
        padding: 'valid', 'same' or 'causal'.
        sizes: of the axes; None: not known, so that only a stride of 1 tells.
        windows: lengths of the window along each axis.
        strides: of each axis.
        dilations: of each axis; None: 1.
    """
    if padding == "valid":
        return (0,) * len(windows)
    if padding != "same":
        return None
    amounts = []
    pairs = zip(sizes, windows, strides, dilations or [1] * len(windows), strict=True)
    for size, window, stride, dilation in pairs:
        if size is None and stride != 1:
            return None
        before, after = same_padding(size or window * dilation, window, stride, dilation)
        if before != after:
            return None
        amounts.append(before)
    return tuple(amounts)


def _convolution(planned: Planned, call: Applied) -> Form:
    given, rank = planned.named, call.rank - 2
    numbers = {
        name: as_tuple(given[name], rank, name)
        for name in ("kernel_size", "strides", "dilation_rate")
    }
    is_depthwise = "depth_multiplier" in given
    channels = given["in_channels"]
    if is_depthwise:
        filters, groups = channels * given["depth_multiplier"], channels
    else:
        filters, groups = given["filters"], given["groups"]
    amounts = symmetric_padding(given["padding"], call.inputs[0][1:-1], *numbers.values())
    # A grouped convolution with a group for each channel has another layout than a depthwise one.
    alike = is_depthwise == (groups != 1 and groups == channels)
    if amounts is None or not alike:
        why = "Keras's 'causal' pads in front alone" if given["padding"] == "causal" else UNEVEN
        why = why if alike else "weights of other axes than in a grouped convolution of torch"
        return Form("{self}({0})", told(planned), Layout.FIRST, why=why)
    stock = Planned(
        _STOCK[rank - 1],
        channels,
        filters,
        even(numbers["kernel_size"]),
        **_given("stride", numbers["strides"], 1),
        **_given("padding", amounts, 0),
        **_given("dilation", numbers["dilation_rate"], 1),
        **({} if groups == 1 else {"groups": groups}),
        **({} if given["use_bias"] else {"bias": False}),
    )
    return Form("{self}({0})", stock, Layout.FIRST)


def _given(name: str, values: Sequence[int], default: int) -> dict[str, Any]:
    return {} if set(values) == {default} else {name: even(values)}


def _transposed(planned: Planned, call: Applied) -> Form:
    given, rank = planned.named, call.rank - 2
    kernel = as_tuple(given["kernel_size"], rank, "kernel_size")
    strides = as_tuple(given["strides"], rank, "strides")
    dilations = as_tuple(given.get("dilation_rate", 1), rank, "dilation_rate")
    surplus = [k - s for k, s in zip(kernel, strides, strict=True)]
    cut = [0] * rank if given["padding"] == "valid" else [number // 2 for number in surplus]
    is_stock = (
        given["output_padding"] is None
        and min(surplus) >= 0
        and set(dilations) == {1}
        and (given["padding"] == "valid" or all(number % 2 == 0 for number in surplus))
    )
    if not is_stock:
        return Form(
            "{self}({0})", told(planned), Layout.FIRST, why="Keras cuts more behind than in front"
        )
    stock = Planned(
        _TRANSPOSED[rank - 1],
        given["in_channels"],
        given["filters"],
        even(kernel),
        **_given("stride", strides, 1),
        **_given("padding", cut, 0),
        **({} if given["use_bias"] else {"bias": False}),
    )
    return Form("{self}({0})", stock, Layout.FIRST)


def _separable(planned: Planned, call: Applied) -> Form:
    return Form(
        "{self}({0})", told(planned), Layout.FIRST, why="torch has no separable convolution"
    )


ROWS: dict[Any, Row] = {
    **{getattr(layers, f"Conv{rank}D"): _convolution for rank in (1, 2, 3)},
    **{getattr(layers, f"DepthwiseConv{rank}D"): _convolution for rank in (1, 2)},
    **{getattr(layers, f"Conv{rank}DTranspose"): _transposed for rank in (1, 2, 3)},
    **{getattr(layers, f"SeparableConv{rank}D"): _separable for rank in (1, 2)},
}
