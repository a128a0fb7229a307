"""Changes that Keras's configuration suggests for a pair of layers, by their kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from parity.halves.torch.check.fixes.change import Change, Part, Piece, Suggested
from parity.halves.torch.kinds import RECURRENT
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.pairing import origins
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl import layers
from torch_impl.layers.activations import ACTIVATIONS
from torch_impl.layers.reshaping import as_pairs
from torch_impl.layers.sizes import as_tuple, same_padding

# --- Changes of layers with windows: convolutions and pools, and what is padded before them -------
#
# Keras's node and the port's calls of a pair go in; the settings that Keras's configuration
# suggests come out, the smallest change first.


Config = Mapping[str, Any]
Amounts = list[tuple[int, int]]  # (before, after) for each spatial axis


def window_changes(
    nodes: Sequence[Mapping[str, Any]],
    node: Mapping[str, Any],
    pieces: Sequence[Piece],
    layer: Piece,
) -> Iterator[Suggested]:
    """Yields changes of a convolution or of a pool.

    Args:
        nodes: Keras's, from the first to the last of the pair: paddings and the layer itself.
        node: the layer itself.
        pieces: the port's calls of the pair.
        layer: the one of them that is the layer itself.
    """
    config, kind = node["config"], node["kind"]
    rank = len(node["input_shapes"][0]) - 2
    if layer.is_keras:
        yield from _of_keras(config, layer)
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
        yield from layer.change({name: value})
    amounts = _amounts(nodes, node, window, strides, dilations)
    if amounts is None:
        return
    paddings = list(_paddings(kind, amounts, pieces, layer))
    yield from paddings
    if sized := layer.change(sizes):
        yield from sized if len(sized[0].settings) > 1 else ()
        for other in paddings:
            if other.place == layer.call.name:
                all_of_it = {**sizes, **other.settings}
                yield from layer.change(all_of_it, pad=other.pad, fill=other.fill)
    crops = [piece for piece in pieces if piece.call.kind == "cropping"]
    if crops:  # it pads too much and cuts off, perhaps at the wrong end
        flat = tuple(amount for pair in reversed(amounts) for amount in pair)
        removed = [change for piece in crops for change in piece.removed()]
        yield (*removed, *layer.change({"padding": (0,) * rank}, pad=flat))
    if "pool_size" in config:
        name = f"{'Max' if kind == 'max_pool' else 'Average'}Pooling{rank}D"
        given = {"pool_size": window, "strides": strides, "padding": config["padding"]}
        pads = [piece for piece in pieces if piece.call.kind == "zero_padding"]
        removed = [change for piece in pads for change in piece.removed()]
        yield (*removed, *layer.replaced(Part(name, given)))


def _of_keras(config: Config, layer: Piece) -> Iterator[Change]:
    """Yields changes of a layer of `torch_impl.layers`, whose arguments are Keras's."""
    names = {
        "pool_size": "pool_size",
        "strides": "strides" if layer.has("strides") else "stride",
        "padding": "keras_padding" if layer.has("keras_padding") else "padding",
        "dilation_rate": "dilation",
        "output_padding": "keras_output_padding",
    }
    found = {ours: config[theirs] for theirs, ours in names.items() if config.get(theirs)}
    found = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
    for name, value in found.items():
        yield from layer.change({name: value})
    yield from layer.change(found)


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
        amounts = [(dilations[0] * (window[0] - 1), 0)]
    elif padding == "same":
        axes = zip(node["input_shapes"][0][1:-1], window, strides, dilations, strict=True)
        amounts = [same_padding(*axis) for axis in axes]
    else:
        amounts = [(0, 0)] * rank
    return [(a + c, b + d) for (a, b), (c, d) in zip(total, amounts, strict=True)]


def _paddings(
    kind: str, amounts: Amounts, pieces: Sequence[Piece], layer: Piece
) -> Iterator[Change]:
    """Yields changes of what is padded, with the window as it is."""
    plain: dict[str, Any] = {"padding": (0,) * len(amounts), "padding_mode": "zeros"}
    if kind in ("max_pool", "average_pool"):
        plain = {"padding": plain["padding"], "ceil_mode": False}
    if layer.module is None:
        plain.pop("padding_mode", None)
    fill = -math.inf if kind == "max_pool" else 0.0
    flat = tuple(amount for pair in reversed(amounts) for amount in pair)
    before = [piece for piece in pieces if piece.call.kind == "zero_padding"]
    if before and pieces.index(before[0]) < pieces.index(layer):
        yield from _of_pad(before[0], flat, fill, is_pool=kind == "max_pool")
    elif all(a == b for a, b in amounts):
        even = {**plain, "padding": tuple(a for a, _ in amounts)}
        if kind == "average_pool" and any(flat):
            even["count_include_pad"] = False
        yield from layer.change(even)
    elif kind == "average_pool":
        # A window that hangs over the end counts what is inside.
        if not any(a for a, _ in amounts):
            yield from layer.change({**plain, "ceil_mode": True, "count_include_pad": False})
    else:
        yield from layer.change(plain, pad=flat, fill=fill)


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


def transposed_changes(node: Mapping[str, Any], layer: Piece) -> Iterator[Change]:
    """Yields changes of a transposed convolution."""
    config = node["config"]
    rank = len(node["input_shapes"][0]) - 2
    if layer.is_keras:
        yield from _of_keras(config, layer)
        return
    window = as_tuple(config["kernel_size"], rank, "kernel_size")
    strides = as_tuple(config["strides"], rank, "strides")
    dilations = as_tuple(config.get("dilation_rate") or 1, rank, "dilation_rate")
    yield from layer.change({"stride": strides})
    if config["padding"] == "valid" and config.get("output_padding") is None:
        none = (0,) * rank
        yield from layer.change({"padding": none, "output_padding": none})
        yield from layer.change({"stride": strides, "padding": none, "output_padding": none})
    elif config.get("output_padding") is None:
        spans = [(k - 1) * d + 1 for k, d in zip(window, dilations, strict=True)]
        beyond = [span - stride for span, stride in zip(spans, strides, strict=True)]
        if all(total >= 0 and total % 2 == 0 for total in beyond):
            even = tuple(total // 2 for total in beyond)
            crop = {"padding": even, "output_padding": (0,) * rank}
            yield from layer.change({"stride": strides, **crop})
    if layer.module is not None:
        names = ("kernel_size", "strides", "padding", "output_padding", "dilation_rate")
        given = {name: config[name] for name in names if config.get(name) is not None}
        channels = (layer.get("in_channels"), config["filters"])
        more = {"in_channels": channels[0], "filters": channels[1], **given}
        has_bias = layer.get("bias") is not None
        yield from layer.replaced(Part(f"Conv{rank}DTranspose", {**more, "use_bias": has_bias}))


# --- Changes that Keras's configuration suggests for a pair of layers, by their kind --------------
#
# A pair and its calls go in; changes come out, the most likely first. Whether one helps is not
# known here.


_POOLS = ("max_pool", "average_pool")


@dataclass(frozen=True)
class _Pair:
    """A pair with what belongs to it.

    Attributes:
        node: Keras's layer.
        nodes: Keras's layers from its beginning to its end.
        pieces: the port's calls from its beginning to its end.
        own: the port's call of the layer itself.
    """

    node: Mapping[str, Any]
    nodes: Sequence[Mapping[str, Any]]
    pieces: Sequence[Piece]
    own: Piece

    @property
    def config(self) -> Mapping[str, Any]:
        """Keras's configuration of the layer."""
        found: Mapping[str, Any] = self.node["config"]
        return found


def layer_changes(port: PortUnderTest, pair: PairedLayer) -> Iterator[Suggested]:
    """Yields changes of a layer that gives another output, or another state."""
    nodes, ends = port.keras.facts["nodes"], pair.ends
    pieces = [Piece(call) for call in pair.chain(port.calls)]
    layer = next(piece for piece in pieces if piece.call is pair.call)
    kind = pair.node["kind"]
    found = _Pair(pair.node, nodes[ends.keras_first : ends.keras_last + 1], pieces, layer)
    if kind.startswith("activation:"):
        yield from _of_activation(found)
    elif kind in _BY_KIND:
        yield from _BY_KIND[kind](found)


def is_known(pair: PairedLayer) -> bool:
    """Whether all settings of a layer are among those that are changed."""
    kind = pair.node["kind"]
    if kind == "dropout":
        return pair.call.is_active
    if kind == "batch_norm":
        return pair.call.module is not None and "epsilon" in pair.node["config"]
    if kind in RECURRENT:
        return False  # the order of gates and the states that are read are no settings
    return kind in _BY_KIND or kind.removeprefix("activation:") in ACTIVATIONS


def between_changes(port: PortUnderTest, pair: PairedLayer) -> Iterator[Change]:
    """Yields changes of activations and pools without a partner before a layer."""
    calls, nodes = port.calls, port.keras.facts["nodes"]
    first = pair.chain(calls)[0]
    number = next(n for n, call in enumerate(calls) if call is first)
    left = [Piece(calls[n]) for n in _before(port.nodes, number, set(port.pairing.torch_left))]
    extra = [piece for piece in left if piece.call.kind.startswith("activation:")]
    pools = [piece for piece in left if piece.call.kind in _POOLS]
    keras_left = set(port.pairing.keras_left)
    rows = _before(nodes, pair.ends.keras_first, keras_left)
    for row in rows:
        for piece in pools if nodes[row]["kind"] in _POOLS else ():
            yield from piece.replaced(_pool(nodes[row]))
    missing = [nodes[row] for row in rows if nodes[row]["kind"].startswith("activation:")]
    parts = [part for node in missing if (part := _activation(node)) is not None]
    for piece in extra:
        for part in parts:
            yield from piece.replaced(part)
    for piece in extra:
        yield from piece.removed()
    sources = [n for n in dict.fromkeys(origins(port.nodes[number])) if n is not None and n >= 0]
    for piece in [Piece(calls[source]) for source in sources]:
        if piece.get("inplace") is True:  # it changes what another branch reads, too
            yield from piece.change({"inplace": False})
        for part in parts:
            yield from piece.followed(part)


def _before(nodes: Sequence[Mapping[str, Any]], number: int, free: set[int]) -> list[int]:
    """Returns the calls without a partner from which a call gets its inputs."""
    found: list[int] = []
    waiting = [number]
    while waiting:
        for source in origins(nodes[waiting.pop()]):
            if source in free and source not in found:
                found.append(source)
                waiting.append(source)
    return found


# --- by kind -------------------------------------------------------------------------------------


def _windows(pair: _Pair) -> Iterator[Suggested]:
    if pair.own.call.kind != pair.node["kind"] and "pool_size" in pair.config:
        yield from pair.own.replaced(_pool(pair.node))
        return
    yield from window_changes(pair.nodes, pair.node, pair.pieces, pair.own)


def _pool(node: Mapping[str, Any]) -> Part:
    names = ("pool_size", "strides", "padding")
    rank = len(node["input_shapes"][0]) - 2
    kind = "MaxPooling" if node["kind"] == "max_pool" else "AveragePooling"
    given = {name: node["config"][name] for name in names if node["config"].get(name) is not None}
    return Part(f"{kind}{rank}D", given)


def _global_pool(pair: _Pair) -> Iterator[Change]:
    is_max = pair.node["kind"] == "global_max_pool"
    keeps = pair.own.call.output.ndim > 2
    part = Part(f"Global{'Max' if is_max else 'Average'}Pooling", {"keepdims": keeps})
    if pair.own.call.kind not in ("flatten", "reshape"):
        yield from pair.own.replaced(part)


def _batch_norm(pair: _Pair) -> Iterator[Change]:
    config, layer = pair.config, pair.own
    if layer.module is None or "epsilon" not in config:
        return
    epsilon, momentum = config["epsilon"], config.get("momentum", 0.99)
    is_trained = bool(config.get("trainable", True))
    if layer.is_keras:
        yield from layer.change({"epsilon": epsilon})
        yield from layer.change({"momentum": momentum})
        yield from layer.change({"trainable": is_trained})
        return
    yield from layer.change({"eps": epsilon})
    yield from layer.change({"momentum": round(1 - momentum, 12)})
    mode = "train" if is_trained else "eval"
    path = f"module.get_submodule({layer.call.name.partition('#')[0]!r})"
    text = {
        "train": f"# without {path}.eval(): in train mode whenever the model is",
        "eval": f"{path}.eval()  # after every module.train()",
    }[mode]
    yield Change(layer.call.name, text, mode=mode)
    channels = layer.get("num_features")
    arguments = {"num_features": channels, "momentum": momentum, "epsilon": epsilon}
    if not is_trained:
        arguments["trainable"] = False
    for name, attribute in (("scale", "weight"), ("center", "bias")):
        if layer.get(attribute) is None:
            arguments[name] = False
    yield from layer.replaced(Part("BatchNormalization", arguments))


def _norm(pair: _Pair) -> Iterator[Change]:
    epsilon = pair.config.get("epsilon")
    if epsilon is not None:
        yield from pair.own.change({"epsilon" if pair.own.is_keras else "eps": epsilon})


def _dropout(pair: _Pair) -> Iterator[Change]:
    rate = pair.config.get("rate")
    if rate is not None and rate < 1 and pair.own.call.is_active:
        yield from pair.own.change({"rate" if pair.own.is_keras else "p": rate})


def _upsampling(pair: _Pair) -> Iterator[Change]:
    config, layer = pair.config, pair.own
    size, mode = config.get("size"), config.get("interpolation", "nearest")
    if size is None:
        return
    if layer.is_keras:
        yield from layer.change({"size": tuple(size) if isinstance(size, list) else size})
        yield from layer.change({"interpolation": mode})
        return
    factors = {"size": None, "scale_factor": tuple(map(float, _listed(size)))}
    modes = {"mode": mode, "align_corners": None if mode == "nearest" else False}
    yield from layer.change(modes)
    yield from layer.change(factors)
    yield from layer.change({**modes, **factors})


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _transposed(pair: _Pair) -> Iterator[Change]:
    yield from transposed_changes(pair.node, pair.own)


def _padding(pair: _Pair) -> Iterator[Change]:
    amounts, layer = pair.config.get("padding"), pair.own
    if amounts is None or layer.call.kind != "zero_padding":
        return
    pairs = [(n, n) if isinstance(n, int) else tuple(n) for n in _listed(amounts)]
    if layer.is_keras:
        yield from layer.change({"padding": tuple(pairs)})
    else:
        flat = tuple(n for each in reversed(pairs) for n in each)
        yield from layer.change({"pad" if layer.module is None else "padding": flat})


def _simple_rnn(pair: _Pair) -> Iterator[Change]:
    function = pair.config.get("activation")
    if pair.own.has("nonlinearity") and function in ("tanh", "relu"):
        modes = {"nonlinearity": function, "mode": f"RNN_{function.upper()}"}
        yield from pair.own.change(modes)
    yield from _recurrent(pair)


def _recurrent(pair: _Pair) -> Iterator[Change]:
    """Yields Keras's own layer, which has activations that torch's has not."""
    config, module = pair.config, pair.own.module
    if module is None or not config.get("reset_after", True) or config.get("recurrent_dropout"):
        return
    given = {"input_size": module.input_size, "units": config["units"]}
    if isinstance(module, nn.RNNBase):
        if not module.batch_first or module.num_layers > 1 or module.bidirectional:
            return
        returns = {"return_sequences": True, "return_state": True}
    else:
        returns = {name: getattr(module, name) for name in ("return_sequences", "return_state")}
    defaults = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    names = (*defaults, "go_backwards")
    wanted = {name: config[name] for name in names if config.get(name) is not None} | returns
    more = {name: value for name, value in wanted.items() if value != defaults.get(name, False)}
    kind = {"lstm": layers.LSTM, "gru": layers.GRU}.get(pair.node["kind"], layers.SimpleRNN)
    yield from pair.own.replaced(Part(kind.__name__, {**given, **more}))


_BY_KIND: dict[str, Callable[[_Pair], Iterator[Suggested]]] = {
    "conv": _windows,
    "depthwise_conv": _windows,
    "max_pool": _windows,
    "average_pool": _windows,
    "global_max_pool": _global_pool,
    "global_average_pool": _global_pool,
    "conv_transpose": _transposed,
    "batch_norm": _batch_norm,
    "layer_norm": _norm,
    "group_norm": _norm,
    "dropout": _dropout,
    "upsampling": _upsampling,
    "zero_padding": _padding,
    "simple_rnn": _simple_rnn,
    "lstm": _recurrent,
    "gru": _recurrent,
}


# --- activations ---------------------------------------------------------------------------------


def _of_activation(pair: _Pair) -> Iterator[Change]:
    """Yields another argument of the same function, then Keras's function in its place."""
    config, layer = pair.config, pair.own
    kind = pair.node["kind"]
    if layer.call.kind == kind and not layer.is_keras:
        for name in ("negative_slope", "alpha"):
            if isinstance(config.get(name), int | float):
                yield from layer.change({name: config[name]})
        if kind == "activation:gelu":
            is_tanh = layer.get("approximate", "none") == "tanh"
            yield from layer.change({"approximate": "none" if is_tanh else "tanh"})
    if kind == "activation:softmax" and layer.call.kind in (kind, "activation:log_softmax"):
        yield from _softmax(layer)
    part = _activation(pair.node)
    if part is not None and kind != "activation:softmax":
        yield from layer.replaced(part)


def _softmax(layer: Piece) -> Iterator[Change]:
    """Yields the other axes, that of the channels first."""
    rank = layer.call.output.ndim
    name = "axis" if layer.is_keras else "dim"
    now = layer.get(name)
    for axis in (1, rank - 1, *range(2, rank - 1)):
        if not isinstance(now, int) or axis != now % rank:
            yield from layer.change({name: axis})


def _activation(node: Mapping[str, Any]) -> Part | None:
    """Returns Keras's activation; None if it is not known here."""
    name = node["kind"].removeprefix("activation:")
    if name not in ACTIVATIONS:
        return None
    config = node["config"]
    names = {"relu": ("max_value", "negative_slope", "threshold")}.get(
        name, ("negative_slope", "alpha") if name in ("leaky_relu", "elu", "celu") else ()
    )
    given = {key: config[key] for key in names if config.get(key)}
    if name == "softmax" and len(node["output_shape"]) > 2:
        given["axis"] = 1  # channels first
    return Part(name, given)
