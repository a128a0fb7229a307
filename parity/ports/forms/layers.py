"""Layers with weights, activations, pools and normalisations, as a person writes them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from parity.ports.form import Applied, Form, Layout, Row, arguments, even, without_defaults
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.layers.activations import ACTIVATIONS
from torch_impl.layers.sizes import as_tuple, same_padding

# --- Dense layers, embeddings, and layers that draw -----------------------------------------------


_MASKS = "Keras's masks, from its seed"
_NOISE = "Keras's noise, from its seed"


def _linear(planned: Planned, call: Applied) -> Form:
    given = planned.named
    bias = {} if given["bias"] else {"bias": False}
    made = Planned(nn.Linear, given["in_features"], given["out_features"], **bias)
    return Form("{self}({0})", made, Layout.LAST)


def _embedding(planned: Planned, call: Applied) -> Form:
    given = planned.named
    made = Planned(nn.Embedding, given["input_dim"], given["output_dim"])
    text = "{self}({0})" if call.whole else "{self}({0}.long())"
    return Form(text, made, Layout.ANY, Layout.LAST)


def _weight(planned: Planned, call: Applied) -> Form:
    return Form("{self}.value", planned, Layout.ANY, Layout.LAST)


def dropping(planned: Planned, call: Applied) -> Form:
    """The form of a layer that draws in Keras's layout, whatever that of its input."""
    settings = {name: value for name, value in planned.settings.items() if value is not None}
    if not settings.get("seed"):
        settings.pop("seed", None)
    names = [name for name in planned.named if name in settings]
    first, *others = names
    given = {name: settings[name] for name in others}
    is_last = call.rank > 2 and call.layout is Layout.LAST
    if is_last:
        given["channels_last"] = True
    made = Planned(planned.kind, settings[first], **given)
    is_noise = planned.kind in (layers.GaussianNoise, layers.GaussianDropout)
    layout, why = Layout.LAST if is_last else Layout.ANY, _NOISE if is_noise else _MASKS
    return Form("{self}({0})", made, layout, why=why)


def _rescaling(planned: Planned, call: Applied) -> Form:
    numbers = (planned.named["scale"], planned.named["offset"])
    is_scalar = all(isinstance(number, int | float) for number in numbers)  # for all channels
    return Form("{self}({0})", without_defaults(planned), Layout.ANY if is_scalar else Layout.LAST)


def _depth(planned: Planned, call: Applied) -> Form:
    return Form("{self}({0})", without_defaults(planned))  # it drops whole samples


ROWS: dict[Any, Row] = {
    nn.Linear: _linear,
    layers.Rescaling: _rescaling,
    layers.StochasticDepth: _depth,
    layers.Embedding: _embedding,
    layers.Weight: _weight,
    **dict.fromkeys(
        (
            *(layers.Dropout, layers.SpatialDropout, layers.AlphaDropout),
            *(layers.GaussianNoise, layers.GaussianDropout),
        ),
        dropping,
    ),
}


# --------------------------------------------------------------------------------------------------
#
# Activations: functions of torch, or those of `torch_impl` where Keras rounds or adds more.


# Keras's name -> a function of torch with the same values and derivatives.
STOCK = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "silu": "F.silu",
    "swish": "F.silu",
    "tanh": "torch.tanh",
    "softsign": "F.softsign",
    "log_sigmoid": "F.logsigmoid",
    "exponential": "torch.exp",
    "elu": "F.elu",
}
_CARRIED = "it tells the loss its logits, as Keras's does"
_REASONS = {
    "gelu": "Keras rounds a constant to float32",
    "leaky_relu": "Keras rounds the slope to float32",
    "softplus": "torch's is x from 20 on",
    "selu": "the slope at 0 is that above 0",
}
_ALONG = ("softmax", "log_softmax", "sparsemax", "glu")


def named(name: str, call: Applied, **settings: Any) -> Form:
    """Returns the form of an activation by its name in keras.activations."""
    defaults = _defaults(name)
    given = {
        key: value
        for key, value in settings.items()
        # Keras tells all settings of a function: relu(x, negative_slope=0.0, threshold=0.0).
        if value is not None and value != defaults.get(key, inspect.Parameter.empty)
    }
    if name == "relu" and given == {"max_value": 6}:
        name, given = "relu6", {}
    if name == "linear":
        return Form("{0}")
    if name == "sigmoid":
        return _carried("sigmoid", call) if call.ends else Form("{0}.sigmoid()")
    if name in _ALONG:
        return _along(name, given.pop("axis", -1), call)
    if name in STOCK and not given:
        return Form(f"{STOCK[name]}({{0}})")
    options = arguments(**given)
    text = f"activations.{name}({{0}}{', ' if options else ''}{options})"
    return Form(text, note=_REASONS.get(name, ""))


def _defaults(name: str) -> dict[str, Any]:
    """Returns the defaults of an activation of `torch_impl`, which are Keras's."""
    function = ACTIVATIONS.get(name)
    parameters = inspect.signature(function).parameters if function is not None else {}
    return {key: parameter.default for key, parameter in parameters.items()}


def _carried(name: str, call: Applied, axis: int | None = None) -> Form:
    """Returns the form of an output, which carries its logits to the loss."""
    option = "" if axis in (None, call.rank - 1) else f", axis={axis}"
    return Form(f"activations.{name}({{0}}{option})", note=_CARRIED)


def _along(name: str, axis: Any, call: Applied) -> Form:
    if not isinstance(axis, int):
        axes = tuple(call.axis(number) for number in axis)
        return Form(f"activations.{name}({{0}}, {arguments(axis=axes)})")
    if name == "softmax" and call.ends:
        return _carried("softmax", call, call.axis(axis))
    number = call.axis(axis)
    number = -1 if number == call.rank - 1 else number
    if name == "sparsemax":
        return Form(f"activations.sparsemax({{0}}, axis={number})", note="torch has none")
    return Form(f"F.{name}({{0}}, dim={number})")


def _activation(planned: Planned, call: Applied) -> Form:
    given = planned.named
    settings = dict(given.get("settings") or {})
    return named(given["name"] or "linear", call, **settings)


def _relu(planned: Planned, call: Applied) -> Form:
    given = planned.named
    most, slope, threshold = given["max_value"], given["negative_slope"], given["threshold"]
    if not slope and not threshold and most in (None, 6):
        return named("relu" if most is None else "relu6", call)
    if slope and most is None and not threshold:
        return named("leaky_relu", call, negative_slope=slope)
    return named("relu", call, negative_slope=slope or None, max_value=most, threshold=threshold)


def _softmax(planned: Planned, call: Applied) -> Form:
    axis = planned.named["axis"]
    if axis is None:
        return Form("activations.softmax({0}, axis=None)")
    return named("softmax", call, axis=axis if isinstance(axis, int) else tuple(axis))


def _axes(numbers: set[int]) -> str:
    """Returns axes of Keras's layout in words, counted with that of the batch."""
    text = ", ".join(map(str, sorted(numbers)))
    return f"axis {text} of Keras" if len(numbers) == 1 else f"axes {text} of Keras"


def _prelu(planned: Planned, call: Applied) -> Form:
    shared = planned.named.get("shared_axes") or ()
    shared = {shared} if isinstance(shared, int) else set(shared)
    sizes = dict(enumerate(planned.named["shape"], start=1))
    axes = {axis for axis, size in sizes.items() if axis not in shared and size != 1}
    if not axes:
        alphas = "one alpha"
    elif axes == {len(sizes)} and len(sizes) > 1:
        alphas = "an alpha for each channel"
    elif axes == {axis for axis, size in sizes.items() if size != 1}:
        alphas = "an alpha for each entry"
    else:
        alphas = f"an alpha for each place along {_axes(axes)}"
    why = f"{alphas}, and a slope of 0 at 0"
    return Form("{self}({0})", without_defaults(planned), Layout.LAST, why=why)


ROWS_OF_ACTIVATION: dict[Any, Row] = {
    layers.Activation: _activation,
    layers.ReLU: _relu,
    layers.LeakyReLU: lambda planned, call: named("leaky_relu", call, **planned.named),
    layers.ELU: lambda planned, call: named(
        "elu", call, alpha=None if planned.named["alpha"] == 1 else planned.named["alpha"]
    ),
    layers.Softmax: _softmax,
    layers.PReLU: _prelu,
    nn.Identity: lambda planned, call: Form("{0}"),
}


# --- Convolutions: torch's own where Keras pads both sides alike ----------------------------------


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
    has_torch_axes = is_depthwise == (groups != 1 and groups == channels)
    if amounts is None or not has_torch_axes:
        why = "Keras's 'causal' pads in front alone" if given["padding"] == "causal" else UNEVEN
        why = (
            why
            if has_torch_axes
            else "weights of other axes than in a grouped convolution of torch"
        )
        return Form("{self}({0})", without_defaults(planned), Layout.FIRST, why=why)
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
            "{self}({0})",
            without_defaults(planned),
            Layout.FIRST,
            why="Keras cuts more behind than in front",
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
        "{self}({0})",
        without_defaults(planned),
        Layout.FIRST,
        why="torch has no separable convolution",
    )


ROWS_OF_CONVOLUTION: dict[Any, Row] = {
    **{getattr(layers, f"Conv{rank}D"): _convolution for rank in (1, 2, 3)},
    **{getattr(layers, f"DepthwiseConv{rank}D"): _convolution for rank in (1, 2)},
    **{getattr(layers, f"Conv{rank}DTranspose"): _transposed for rank in (1, 2, 3)},
    **{getattr(layers, f"SeparableConv{rank}D"): _separable for rank in (1, 2)},
}


# --- Pools, over windows and over whole images: functions of torch where the padding is even ------


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
            return Form("{self}({0})", without_defaults(planned), Layout.FIRST, why=UNEVEN)
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
    return Form("{self}({0})", without_defaults(planned), Layout.FIRST)


ROWS_OF_POOLING: dict[Any, Row] = {
    **{getattr(layers, f"MaxPooling{rank}D"): _windows("max") for rank in (1, 2, 3)},
    **{getattr(layers, f"AveragePooling{rank}D"): _windows("avg") for rank in (1, 2, 3)},
    layers.GlobalAveragePooling: _whole("mean"),
    layers.GlobalAveragePooling1D: _whole("mean"),
    layers.GlobalMaxPooling: _whole("amax"),
    **{getattr(nn, f"AdaptiveMaxPool{rank}d"): _adaptive for rank in (1, 2, 3)},
    **{getattr(nn, f"AdaptiveAvgPool{rank}d"): _adaptive for rank in (1, 2, 3)},
}


# --- Layers that normalise ------------------------------------------------------------------------


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
            "{self}({0})",
            without_defaults(planned),
            Layout.LAST,
            why="axes or weights that torch's lacks",
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
            "{self}({0})",
            without_defaults(planned),
            Layout.LAST,
            why="an axis or weights that torch lacks",
        )
    groups = channels if groups == -1 else groups
    made = Planned(nn.GroupNorm, groups, channels, eps=given["epsilon"])
    return Form("{self}({0})", made, Layout.FIRST)


ROWS_OF_NORMALIZATION: dict[Any, Row] = {
    layers.BatchNormalization: _batch,
    layers.LayerNormalization: _layer,
    layers.GroupNormalization: _group,
}


# --- Attention, with the arguments that a person writes -------------------------------------------


def multi_head(planned: Planned) -> Planned:
    """Returns the layer without what follows from its other arguments."""
    given = dict(without_defaults(planned).settings)
    query, value = tuple(given["query_shape"]), tuple(given.get("value_shape", ()))
    if tuple(given.get("key_shape", value)) == value:
        given.pop("key_shape", None)
        if value == query:
            given.pop("value_shape", None)
    if given.get("value_dim") == given["key_dim"]:
        del given["value_dim"]
    if given.get("attention_axes") == tuple(range(1, len(query))):
        del given["attention_axes"]
    heads, size = given.pop("num_heads"), given.pop("key_dim")
    return Planned(planned.kind, heads, size, given.pop("query_shape"), **given)


def _multi_head(planned: Planned, call: Applied) -> Form:
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"{{self}}({inputs})", multi_head(planned), Layout.LAST)


ROWS_OF_ATTENTION: dict[Any, Row] = {layers.MultiHeadAttention: _multi_head}
