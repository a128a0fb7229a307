"""The settings of two paired layers, in Keras's convention.

The facts of a Keras layer and of a call of the port go in; (name, Keras's value, the port's, ID of
the divergence) come out, for everything whose meaning is known in both. A setting that is written
in another way but computes the same, such as `padding=1` for 'same' around three pixels, has equal
values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from parity.divergences.arithmetic import same_padding
from parity.divergences.places import RECURRENT

Row = tuple[str, Any, Any, str]
Facts = Mapping[str, Any]

_CONVOLUTIONS = ("conv", "depthwise_conv")
_POOLS = ("max_pool", "average_pool")


def rows_of(
    node: Facts, call: Facts, settings: Facts, around: Collection[str], is_wrong: bool = False
) -> Iterator[Row]:
    """Yields what can be compared of a pair of layers.

    Args:
        node: of the Keras layer.
        call: of the port.
        settings: attributes of its module, or arguments of its function.
        around: kinds of the layers beside it, in both halves: they may pad or crop for it.
        is_wrong: whether the port's layer is known to compute something else.
    """
    config, kind = node["config"], str(node["kind"])
    if kind in (*_CONVOLUTIONS, "conv_transpose", *_POOLS):
        yield from _windows(node, settings, around)
    elif kind in ("batch_norm", "layer_norm", "group_norm", "rms_norm"):
        yield from _norm(node, call, settings)
    elif kind in RECURRENT:
        yield from _recurrent(config, settings)
        if is_wrong and config.get("go_backwards"):  # the port may turn its input around
            yield "go_backwards", True, False, "A22"
    elif kind == "dropout":
        yield "rate", config.get("rate"), call.get("rate"), "C6"
    elif kind == "upsampling":
        yield from _upsampling(config, settings)
    elif kind.startswith("activation:"):
        yield from _activation(node, call, settings)
    if node["weights"] and call["weights"] and kind in (*_CONVOLUTIONS, "conv_transpose", "dense"):
        has_bias = any(name.endswith(".bias") for name in node["weights"])
        yield "use_bias", has_bias, "bias" in call["weights"], "A11"


# --- windows -------------------------------------------------------------------------------------


def _windows(node: Facts, settings: Facts, around: Collection[str]) -> Iterator[Row]:
    config, kind = node["config"], node["kind"]
    size = "pool_size" if kind in _POOLS else "kernel_size"
    yield size, config.get(size), settings.get("kernel_size"), "A15"
    yield "strides", config.get("strides") or config.get(size), _stride(settings), "A18"
    yield "dilation_rate", config.get("dilation_rate"), settings.get("dilation"), "A18"
    if kind not in _POOLS:
        yield "groups", config.get("groups"), settings.get("groups"), "A15"
        yield "padding_mode", "zeros", settings.get("padding_mode"), "A18"
    is_elsewhere = settings.get("computes_itself") or {"zero_padding", "cropping"} & set(around)
    if is_elsewhere or not _is_plain(node):
        return
    if kind == "conv_transpose":
        yield from _cropping(node, settings)
    elif pads_differ(node, settings):
        yield "padding", config.get("padding"), _said_padding(settings), "A18"
    if kind == "average_pool" and config.get("padding") == "same" and _pads(settings):
        counts = settings.get("count_include_pad")
        yield "count_include_pad", False, counts, "A8"


def _stride(settings: Facts) -> Any:
    return settings.get("stride") or settings.get("kernel_size")


def _is_plain(node: Facts) -> bool:
    return node["config"].get("data_format") in (None, "channels_last")


def _each(value: Any, rank: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value] * rank
    if len(values) == 1:
        values *= rank
    return [int(item) for item in values]


def _pads(settings: Facts) -> bool:
    padding = settings.get("padding")
    return padding == "same" or (not isinstance(padding, str) and any(_each(padding or 0, 1)))


def _said_padding(settings: Facts) -> Any:
    padding = settings.get("padding")
    if settings.get("ceil_mode"):
        return f"{padding} with ceil_mode"
    return padding


def pads_differ(node: Facts, settings: Facts) -> bool:
    """Whether the windows begin at another pixel, or are of another number.

    More padding after the last window is never read.
    """
    config = node["config"]
    sides = node["input_shapes"][0][1:-1]
    rank, padding, ours = len(sides), config.get("padding"), settings.get("padding")
    size = _each(config.get("kernel_size", config.get("pool_size")), rank)
    strides = _each(config.get("strides") or size, rank)
    dilation = _each(config.get("dilation_rate") or 1, rank)
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    if padding not in ("valid", "same", "causal") or ours is None:
        return False
    is_ceiled = bool(settings.get("ceil_mode"))
    if padding == "causal":
        return True  # torch pads on both sides, unless something is padded or cut beside it
    same = same_padding(sides, size, strides, dilation)
    if ours == "same":
        mine = same if max(strides) == 1 else None
    else:
        numbers = [0] * rank if ours == "valid" else _each(ours, rank)
        mine = [(number, number) for number in numbers]
    if mine is None:
        return True
    theirs = same if padding == "same" else [(0, 0)] * rank
    for side, span, stride, a, b in zip(sides, spans, strides, theirs, mine, strict=True):
        count = (side + sum(a) - span) // stride + 1
        room = side + sum(b) - span
        other = room // stride + 1
        if is_ceiled and room % stride and other * stride < side + b[0]:
            other += 1  # a last window that begins inside
        if a[0] != b[0] or count != other:
            return True
    return False


def _cropping(node: Facts, settings: Facts) -> Iterator[Row]:
    """Yields the padding of a transposed convolution, if other pixels are cut off."""
    config = node["config"]
    rank = len(node["input_shapes"][0]) - 2
    size, strides = _each(config["kernel_size"], rank), _each(config.get("strides") or 1, rank)
    dilation = _each(config.get("dilation_rate") or 1, rank)
    if settings.get("padding") is None or config.get("output_padding") is not None:
        return
    if max(dilation) > 1 or any(k < s for k, s in zip(size, strides, strict=True)):
        return
    ours, more = _each(settings["padding"], rank), _each(settings.get("output_padding") or 0, rank)
    for k, s, p, extra in zip(size, strides, ours, more, strict=True):
        cut = k - s if config.get("padding") == "same" else 0
        if p != cut // 2 or 2 * p - extra != cut:
            said = f"{settings['padding']}, output_padding {settings.get('output_padding', 0)}"
            yield "padding", config.get("padding"), said, "A9"
            return


# --- normalisation -------------------------------------------------------------------------------


def _norm(node: Facts, call: Facts, settings: Facts) -> Iterator[Row]:
    config, kind = node["config"], node["kind"]
    epsilon = settings.get("eps", settings.get("epsilon"))
    yield "epsilon", config.get("epsilon"), epsilon, "C1" if kind == "batch_norm" else "A13"
    if kind == "batch_norm":
        yield "momentum", config.get("momentum"), _momentum(settings), "C2"
    if kind == "group_norm" and int(config.get("groups", 0)) > 0:
        yield "groups", config.get("groups"), settings.get("num_groups"), "A13"
    if kind == "layer_norm" and isinstance(settings.get("normalized_shape"), list | tuple | int):
        axis, shape = config.get("axis", -1), settings["normalized_shape"]
        theirs, ours = (len(v) if isinstance(v, list | tuple) else 1 for v in (axis, shape))
        yield "number of axes", theirs, ours, "A21"
    is_module = settings.get("base") or str(settings.get("class", "")).startswith("torch_impl.")
    if is_module and isinstance(config.get("scale"), bool):
        yield "scale", config["scale"], "gamma" in call["weights"], "A11"
        yield "center", config.get("center"), "beta" in call["weights"], "A11"


def _momentum(settings: Facts) -> float | None:
    """Returns the momentum in Keras's convention; None if it is not known what it means.

    Torch's is the weight of the new value, in its own layer, in every subclass of it, and in its
    function. `torch_impl.layers.BatchNormalization` has Keras's.
    """
    momentum, name = settings.get("momentum"), str(settings.get("class", ""))
    if not isinstance(momentum, float):
        return None
    if "BatchNorm" in str(settings.get("base", "")) or name.startswith("torch.nn."):
        return round(1 - momentum, 12)
    return momentum if name.startswith("torch_impl.") else None


# --- other layers --------------------------------------------------------------------------------


def _recurrent(config: Facts, settings: Facts) -> Iterator[Row]:
    """Yields the settings of a recurrent layer of torch, which has few of Keras's."""
    base = settings.get("base")
    inner = config.get("layer")
    if isinstance(inner, Mapping):  # Bidirectional
        config = inner.get("config", {})
    if base not in ("LSTM", "GRU", "RNN"):
        return
    activation = settings.get("nonlinearity", "tanh") if base == "RNN" else "tanh"
    yield "activation", config.get("activation"), activation, "A16"
    yield "use_bias", config.get("use_bias"), settings.get("bias"), "A11"
    for name in ("dropout", "recurrent_dropout"):
        if config.get(name):
            yield name, config[name], "none", "C6"
    if base != "RNN":
        yield "recurrent_activation", config.get("recurrent_activation"), "sigmoid", "A16"
    if base == "GRU":
        yield "reset_after", config.get("reset_after"), True, "A14b"


def _upsampling(config: Facts, settings: Facts) -> Iterator[Row]:
    theirs = config.get("interpolation", "nearest")
    ours = {"nearest-exact": "nearest", "linear": "bilinear"}.get(
        settings.get("mode", ""), settings.get("mode")
    )
    yield "interpolation", theirs, ours, "C14"
    yield "size", config.get("size"), settings.get("scale_factor"), "C14"
    if theirs != "nearest":
        yield "align_corners", False, bool(settings.get("align_corners")), "C14"


def _activation(node: Facts, call: Facts, settings: Facts) -> Iterator[Row]:
    theirs, ours = (str(part["kind"]).removeprefix("activation:") for part in (node, call))
    if theirs != ours:
        is_known = str(call["kind"]).startswith("activation:") and ours != "log_softmax"
        if is_known:
            yield "activation", theirs, ours, "A16"
        return
    config = node["config"]
    # An activation by its name has the defaults of Keras's function.
    is_layer = "name" in config and "activation" not in config
    if theirs == "leaky_relu":
        slope = config.get("negative_slope", config.get("alpha"))
        said = slope if is_layer else 0.2
        yield "negative_slope", said, settings.get("negative_slope"), "A13"
    elif theirs == "elu":
        yield "alpha", config.get("alpha", None if is_layer else 1.0), settings.get("alpha"), "A13"
    elif theirs == "gelu":
        approximate = settings.get("approximate")
        if approximate is not None:
            yield "approximate", bool(config.get("approximate")), approximate == "tanh", "A20"
    elif theirs == "softmax":
        axes = _axes(config.get("axis", -1), settings.get("dim"), node, call)
        if axes is not None:
            yield "axis", axes[0], axes[1], "A21"


def _axes(axis: Any, dim: Any, node: Facts, call: Facts) -> tuple[int, int] | None:
    """Returns the axes of both in Keras's order of axes; None if that is not sure."""
    theirs, forms = node["output_shape"], call["output_shapes"]
    if not isinstance(axis, int) or not isinstance(dim, int) or not forms:
        return None
    rank = len(theirs)
    if len(forms[0]) != rank or not -rank <= dim < rank or len(set(theirs[1:])) < rank - 1:
        return None  # two axes of the same length: nobody can tell which is which
    side = forms[0][dim % rank]
    if dim % rank == 0:
        return axis % rank, 0
    return (axis % rank, list(theirs[1:]).index(side) + 1) if side in theirs[1:] else None


def kinds_around(nodes: Sequence[Facts], node: Facts) -> set[str]:
    """Returns the kinds of what makes the inputs of a layer, and of what takes its output."""
    number = next(n for n, other in enumerate(nodes) if other["name"] == node["name"])
    before = [nodes[source] for source in node["sources"] if source is not None and source >= 0]
    behind = [other for other in nodes if number in other["sources"]]
    return {str(other["kind"]) for other in (*before, *behind)}
