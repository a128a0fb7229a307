"""Changes of layers with windows: convolutions and pools, and what is padded before them.

Keras's node and the port's calls of a pair go in; the settings that Keras's configuration suggests
come out, the smallest change first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parity.halves.torch.check.fixes.change import Change, Part, Suggested
from parity.halves.torch.check.fixes.piece import Piece
from torch_impl.layers.resizing import as_pairs
from torch_impl.layers.sizes import as_tuple, same_padding

Config = Mapping[str, Any]
Amounts = list[tuple[int, int]]  # (before, after) for each spatial axis


def window_changes(
    nodes: Sequence[Mapping[str, Any]], node: Mapping[str, Any], pieces: Sequence[Piece], own: Piece
) -> Iterator[Suggested]:
    """Yields changes of a convolution or of a pool.

    Args:
        nodes: Keras's, from the first to the last of the pair: paddings and the layer itself.
        node: the layer itself.
        pieces: the port's calls of the pair.
        own: the one of them that is the layer itself.
    """
    config, kind = node["config"], node["kind"]
    rank = len(node["input_shapes"][0]) - 2
    if own.is_keras:
        yield from _of_keras(config, own)
        return
    size = config.get("pool_size", config.get("kernel_size"))
    if size is None or rank < 1:
        return
    window = as_tuple(size, rank, "window")
    strides = as_tuple(config.get("strides") or size, rank, "strides")
    dilations = as_tuple(config.get("dilation_rate") or 1, rank, "dilation_rate")
    sizes: dict[str, Any] = {"stride": strides, "dilation": dilations}
    if "pool_size" in config:
        sizes = {"kernel_size": window, "stride": strides}
    for name, value in sizes.items():
        yield from own.change({name: value})
    amounts = _amounts(nodes, node, window, strides, dilations)
    if amounts is None:
        return
    paddings = list(_paddings(kind, amounts, pieces, own))
    yield from paddings
    if sized := own.change(sizes):
        yield from sized if len(sized[0].settings) > 1 else ()
        for other in paddings:
            if other.place == own.call.name:
                all_of_it = {**sizes, **other.settings}
                yield from own.change(all_of_it, pad=other.pad, fill=other.fill)
    crops = [piece for piece in pieces if piece.call.kind == "cropping"]
    if crops:  # it pads too much and cuts off, perhaps at the wrong end
        flat = tuple(amount for pair in reversed(amounts) for amount in pair)
        removed = [change for piece in crops for change in piece.removed()]
        yield (*removed, *own.change({"padding": (0,) * rank}, pad=flat))
    if "pool_size" in config:
        name = f"{'Max' if kind == 'max_pool' else 'Average'}Pooling{rank}D"
        given = {"pool_size": window, "strides": strides, "padding": config["padding"]}
        pads = [piece for piece in pieces if piece.call.kind == "zero_padding"]
        removed = [change for piece in pads for change in piece.removed()]
        yield (*removed, *own.replaced(Part(name, given)))


def _of_keras(config: Config, own: Piece) -> Iterator[Change]:
    """Yields changes of a layer of `torch_impl.layers`, whose arguments are Keras's."""
    names = {
        "pool_size": "pool_size",
        "strides": "strides" if own.has("strides") else "stride",
        "padding": "keras_padding" if own.has("keras_padding") else "padding",
        "dilation_rate": "dilation",
        "output_padding": "keras_output_padding",
    }
    found = {ours: config[theirs] for theirs, ours in names.items() if config.get(theirs)}
    found = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
    for name, value in found.items():
        yield from own.change({name: value})
    yield from own.change(found)


def _amounts(
    nodes: Sequence[Mapping[str, Any]],
    node: Mapping[str, Any],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Amounts | None:
    """Returns by how much Keras pads each axis, in its own layers and in this one."""
    rank = len(window)
    total: Amounts = [(0, 0)] * rank
    for other in nodes[: nodes.index(node)]:
        if other["kind"] != "zero_padding":
            return None
        pairs = as_pairs(other["config"].get("padding", 0), rank, "padding")
        total = [(a + c, b + d) for (a, b), (c, d) in zip(total, pairs, strict=True)]
    padding = node["config"].get("padding")
    if padding == "causal":
        own = [(dilations[0] * (window[0] - 1), 0)]
    elif padding == "same":
        axes = zip(node["input_shapes"][0][1:-1], window, strides, dilations, strict=True)
        own = [same_padding(*axis) for axis in axes]
    else:
        own = [(0, 0)] * rank
    return [(a + c, b + d) for (a, b), (c, d) in zip(total, own, strict=True)]


def _paddings(kind: str, amounts: Amounts, pieces: Sequence[Piece], own: Piece) -> Iterator[Change]:
    """Yields changes of what is padded, with the window as it is."""
    plain: dict[str, Any] = {"padding": (0,) * len(amounts), "padding_mode": "zeros"}
    if kind in ("max_pool", "average_pool"):
        plain = {"padding": plain["padding"], "ceil_mode": False}
    if own.module is None:
        plain.pop("padding_mode", None)
    fill = -math.inf if kind == "max_pool" else 0.0
    flat = tuple(amount for pair in reversed(amounts) for amount in pair)
    before = [piece for piece in pieces if piece.call.kind == "zero_padding"]
    if before and pieces.index(before[0]) < pieces.index(own):
        yield from _of_pad(before[0], flat, fill, is_pool=kind == "max_pool")
    elif all(a == b for a, b in amounts):
        even = {**plain, "padding": tuple(a for a, _ in amounts)}
        if kind == "average_pool" and any(flat):
            even["count_include_pad"] = False
        yield from own.change(even)
    elif kind == "average_pool":
        # A window that hangs over the end counts what is inside.
        if not any(a for a, _ in amounts):
            yield from own.change({**plain, "ceil_mode": True, "count_include_pad": False})
    else:
        yield from own.change(plain, pad=flat, fill=fill)


def _of_pad(piece: Piece, flat: tuple[int, ...], fill: float, *, is_pool: bool) -> Iterator[Change]:
    """Yields changes of a padding that stands before the window."""
    if piece.module is None:
        amount: dict[str, Any] = {"pad": flat}
    elif piece.is_keras:
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        amount = {"padding": tuple(reversed(pairs))}
    else:
        amount = {"padding": flat}
    yield from piece.change(amount)
    if is_pool:
        yield from piece.change({"value": fill})
        yield from piece.change({**amount, "value": fill})


def transposed_changes(node: Mapping[str, Any], own: Piece) -> Iterator[Change]:
    """Yields changes of a transposed convolution."""
    config = node["config"]
    rank = len(node["input_shapes"][0]) - 2
    if own.is_keras:
        yield from _of_keras(config, own)
        return
    window = as_tuple(config["kernel_size"], rank, "kernel_size")
    strides = as_tuple(config["strides"], rank, "strides")
    dilations = as_tuple(config.get("dilation_rate") or 1, rank, "dilation_rate")
    yield from own.change({"stride": strides})
    if config["padding"] == "valid" and config.get("output_padding") is None:
        none = (0,) * rank
        yield from own.change({"padding": none, "output_padding": none})
        yield from own.change({"stride": strides, "padding": none, "output_padding": none})
    elif config.get("output_padding") is None:
        spans = [(k - 1) * d + 1 for k, d in zip(window, dilations, strict=True)]
        beyond = [span - stride for span, stride in zip(spans, strides, strict=True)]
        if all(total >= 0 and total % 2 == 0 for total in beyond):
            even = tuple(total // 2 for total in beyond)
            crop = {"padding": even, "output_padding": (0,) * rank}
            yield from own.change({"stride": strides, **crop})
    if own.module is not None:
        names = ("kernel_size", "strides", "padding", "output_padding", "dilation_rate")
        given = {name: config[name] for name in names if config.get(name) is not None}
        channels = (own.get("in_channels"), config["filters"])
        more = {"in_channels": channels[0], "filters": channels[1], **given}
        has_bias = own.get("bias") is not None
        yield from own.replaced(Part(f"Conv{rank}DTranspose", {**more, "use_bias": has_bias}))
