"""Divergences of layers: what a layer computes from the same input with the same weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Divergence, Match
from parity.divergences.evidence import Evidence, differs, is_close

_CONVS = ("conv", "depthwise_conv")
_POOLS = ("max_pool", "average_pool")


def _is_forward(evidence: Evidence, *kinds: str) -> bool:
    return evidence.level.id == "forward" and (not kinds or evidence.kind in kinds)


# --- windows: convolutions and pools -------------------------------------------------------------


def _sizes(evidence: Evidence) -> tuple[list[int], list[int], list[int]] | None:
    """Size, strides and dilation of the windows of a layer; None where it has none."""
    config, x = evidence.config, evidence.keras_input()
    size = config.get("kernel_size", config.get("pool_size"))
    if size is None or x is None:
        return None
    rank = x.ndim - 2

    strides = config.get("strides") or size
    dilation = config.get("dilation_rate", 1)
    return _each(size, rank), _each(strides, rank), _each(dilation, rank)


def _each(value: Any, rank: int) -> list[int]:
    """A setting for each spatial axis."""
    return list(value) if isinstance(value, list | tuple) else [int(value)] * rank


def _conv(evidence: Evidence, strides: Any, padding: Any, dilation: Any) -> np.ndarray | None:
    """What Keras's layer would give with other windows."""
    x = evidence.keras_input()
    is_deep = evidence.kind == "depthwise_conv"
    kernel = evidence.weight("kernel")
    if kernel is None:
        kernel = evidence.weight("depthwise_kernel" if is_deep else "pointwise_kernel")
    if x is None or kernel is None or x.ndim != kernel.ndim:
        return None
    operation = arithmetic.depthwise_conv if is_deep else arithmetic.conv
    return operation(x, kernel, evidence.weight("bias"), strides, padding, dilation)


def _symmetric(evidence: Evidence) -> Match | None:
    """`padding=k // 2` in the place of "same" with a stride."""
    sizes = _sizes(evidence)
    if not _is_forward(evidence, *_CONVS) or sizes is None:
        return None
    size, strides, dilation = sizes
    padding = arithmetic.symmetric_padding(size, dilation)
    if max(strides) > 1 and evidence.gives(_conv(evidence, strides, padding, dilation)):
        return Match(NUMBERS, f"padding={size[0] // 2} on both sides gives the port's numbers")
    return None


def _other_windows(evidence: Evidence) -> Match | None:
    """Other padding, stride or dilation; by trial of the usual ones, then by the settings."""
    sizes = _sizes(evidence)
    if not _is_forward(evidence, *_CONVS, *_POOLS, "conv_transpose") or sizes is None:
        return None
    size, strides, dilation = sizes
    x = evidence.keras_input()
    if evidence.kind in _CONVS and x is not None:
        for name, padding, stride, spread in _windows(x.shape[1:-1], size, strides, dilation):
            if evidence.gives(_conv(evidence, stride, padding, spread)):
                return Match(NUMBERS, f"{name} gives the port's numbers")
    settings = evidence.settings
    for theirs, name in ((strides, "stride"), (dilation, "dilation"), (size, "kernel_size")):
        if name in settings and differs(theirs, settings[name]):
            return Match(SETTINGS, f"{name} {theirs} in Keras, {settings[name]} in the port")
    if settings.get("padding") is not None or evidence.is_own:
        is_shape = "shape" in evidence.item.note
        said = settings.get("padding", "another")
        detail = f"padding {evidence.config.get('padding')} in Keras, {said} in the port"
        return Match(SETTINGS if is_shape else PLACE, detail)
    return None


def _windows(
    sides: Sequence[int], size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[str, Any, Any, Any]]:
    none = [(0, 0)] * len(size)
    for stride in (strides, [1] * len(size), [2] * len(size)):
        for spread in (dilation, [1] * len(size), [2] * len(size)):
            same = arithmetic.same_padding(sides, size, stride, spread)
            swapped = [(after, before) for before, after in same]
            symmetric = arithmetic.symmetric_padding(size, spread)
            text = f"stride {stride[0]}, dilation {spread[0]}"
            yield f"no padding, {text}", none, stride, spread
            yield f"'same', {text}", same, stride, spread
            yield f"'same' with the odd pixel before, {text}", swapped, stride, spread
            yield f"symmetric padding, {text}", symmetric, stride, spread


def _max_pool(evidence: Evidence) -> Match | None:
    return _pool(evidence, "max_pool", ((-np.inf, None, "-inf"), (0.0, None, "zeros")))


def _average_pool(evidence: Evidence) -> Match | None:
    return _pool(
        evidence,
        "average_pool",
        ((0.0, True, "zeros that count"), (0.0, False, "padding that does not count")),
    )


def _pool(evidence: Evidence, kind: str, fills: Any) -> Match | None:
    sizes, x = _sizes(evidence), evidence.keras_input()
    if not _is_forward(evidence, kind) or sizes is None or x is None:
        return None
    size, strides, _ = sizes
    paddings = {
        "on both sides": [(k // 2, k // 2) for k in size],
        "as in Keras": arithmetic.same_padding(x.shape[1:-1], size, strides, [1] * len(size)),
    }
    for where, padding in paddings.items():
        for fill, counted, name in fills:
            value = arithmetic.pool(x, size, strides, padding, fill=fill, counted=counted)
            if evidence.gives(value):
                return Match(NUMBERS, f"padding {where} with {name} gives the port's numbers")
    return Match(PLACE, "the port's pool gives other numbers") if evidence.is_own else None


def _transposed(evidence: Evidence) -> Match | None:
    if not _is_forward(evidence, "conv_transpose") or not evidence.is_own:
        return None
    own, theirs = evidence.own_output(), evidence.keras_output()
    if own is None or theirs is None:
        return None
    # The uncropped product is the same; the crop begins at another pixel.
    axes = range(1, theirs.ndim - 1)
    for shift in itertools.product((-2, -1, 0, 1, 2), repeat=len(axes)):
        if any(shift) and _overlap(theirs, own, shift):
            return Match(NUMBERS, f"the port's output is Keras's moved by {shift} pixels")
    return Match(PLACE, "the port crops the output otherwise")


def _overlap(theirs: np.ndarray, ours: np.ndarray, shift: Sequence[int]) -> bool:
    """Whether ours[i] = theirs[i + shift] wherever both are there."""
    a: list[slice] = [slice(None)]
    b: list[slice] = [slice(None)]
    for axis, move in enumerate(shift, start=1):
        side = min(theirs.shape[axis] - max(move, 0), ours.shape[axis] - max(-move, 0))
        if side < 2:
            return False
        a.append(slice(max(move, 0), max(move, 0) + side))
        b.append(slice(max(-move, 0), max(-move, 0) + side))
    # Borders are sums over fewer pixels there and here.
    inner = tuple(slice(1, -1) if n else slice(None) for n in range(len(a)))
    return is_close(theirs[tuple(a)][inner], ours[tuple(b)][inner])


# --- normalisation -------------------------------------------------------------------------------

_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-2, 1e-4, 0.0)


def _norm_epsilon(evidence: Evidence) -> Match | None:
    if not _is_forward(evidence, "batch_norm"):
        return None
    x, epsilon = evidence.keras_input(), evidence.config.get("epsilon")
    mean, variance = evidence.weight("moving_mean"), evidence.weight("moving_variance")
    if x is None or mean is None or variance is None:
        return None
    if evidence.mode == "train":
        mean, variance, _ = arithmetic.batch_statistics(x)
    gamma, beta = evidence.weight("gamma"), evidence.weight("beta")
    said = evidence.settings.get("eps", evidence.settings.get("epsilon"))
    for value in dict.fromkeys([said, *_EPSILONS]):
        if value is None or value == epsilon:
            continue
        if evidence.gives(arithmetic.batch_norm(x, mean, variance, gamma, beta, float(value))):
            return Match(NUMBERS, f"epsilon {epsilon:g} in Keras, {value:g} in the port")
    return None


def _norm_statistics(evidence: Evidence) -> Match | None:
    """One half normalises with the batch, the other with moving statistics."""
    if not _is_forward(evidence, "batch_norm"):
        return None
    x, epsilon = evidence.keras_input(), evidence.config.get("epsilon", 1e-3)
    mean, variance = evidence.weight("moving_mean"), evidence.weight("moving_variance")
    if x is None or mean is None or variance is None:
        return None
    gamma, beta = evidence.weight("gamma"), evidence.weight("beta")
    batch = arithmetic.batch_statistics(x)[:2]
    for name, values in (("the batch", batch), ("moving statistics", (mean, variance))):
        for value in (epsilon, 1e-5):
            given = arithmetic.batch_norm(x, *values, gamma, beta, value)
            is_other = not is_close(given, evidence.keras_output())
            if is_other and value == epsilon and evidence.gives(given):
                return Match(NUMBERS, f"in {evidence.mode} mode the port normalises with {name}")
    return None


def _moving(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, str] | None:
    """(start, Keras's batch statistic, the port's value, values a channel, statistic)."""
    name = evidence.item.name
    if evidence.level.id != "forward" or "(after a batch in train mode)" not in name:
        return None
    weight = name.partition(" (")[0]
    x = evidence.keras_input("train")
    if x is None or f"state/{weight}" not in evidence.port:
        return None
    mean, variance, count = arithmetic.batch_statistics(x)
    statistic = variance if weight.endswith("moving_variance") else mean
    start, ours = evidence.bundle[f"weights/{weight}"], evidence.port[f"state/{weight}"]
    return start, statistic, ours, count, weight.rpartition(".")[2]


def _momentum(evidence: Evidence) -> Match | None:
    found = _moving(evidence)
    if found is None:
        return None
    start, statistic, ours, count, _ = found
    keep = float(evidence.config.get("momentum", 0.99))
    for scale, name in ((1.0, "biased"), (count / max(count - 1, 1), "unbiased")):
        change = scale * statistic - start
        usable = np.abs(change) > 1e-6
        if not usable.any():
            continue
        rates = (ours - start)[usable] / change[usable]
        rate = float(np.median(rates))
        if np.abs(rates - rate).max() < 1e-7 and abs(rate - (1 - keep)) > 1e-9:
            detail = f"keeps {1 - rate:.6g} of the old value, Keras {keep:g}"
            return Match(NUMBERS, f"the port {detail} ({name} variance)")
    return None


def _unbiased(evidence: Evidence) -> Match | None:
    found = _moving(evidence)
    if found is None or found[4] != "moving_variance":
        return None
    start, statistic, ours, count, _ = found
    keep = float(evidence.config.get("momentum", 0.99))
    unbiased = statistic * count / max(count - 1, 1)
    for kept in (keep, 0.9, 0.99):
        if is_close(start * kept + unbiased * (1 - kept), ours):
            sure = NUMBERS if kept == keep else SETTINGS
            return Match(sure, f"n / (n - 1) with n = {count} gives the port's variance")
    theirs = evidence.bundle[f"state/{evidence.item.name.partition(' (')[0]}"]
    biased = start * keep + statistic * (1 - keep)
    if is_close(biased, ours) and is_close(start * keep + unbiased * (1 - keep), theirs):
        return Match(NUMBERS, "Keras 2 keeps an unbiased variance of images, the port a biased one")
    return None


def _frozen(evidence: Evidence) -> Match | None:
    found = _moving(evidence)
    if found is None:
        return None
    start, _, ours, _, name = found
    if is_close(start, ours):
        return Match(NUMBERS, f"the port does not move its {name}")
    theirs = evidence.bundle[f"state/{evidence.item.name.partition(' (')[0]}"]
    return Match(NUMBERS, f"Keras does not move its {name}") if is_close(start, theirs) else None


def _batch_of_one(evidence: Evidence) -> Match | None:
    raised = str(evidence.port.facts["raised"].get(evidence.level.id, ""))
    if "more than 1 value per channel" in raised:
        return Match(NUMBERS, raised)
    return None


def _other_epsilon(evidence: Evidence) -> Match | None:
    """Epsilon of LayerNormalization and GroupNormalization, slope of LeakyReLU and its like."""
    if not _is_forward(evidence):
        return None
    config, settings = evidence.config, evidence.settings
    names = (
        ("epsilon", "eps"),
        ("epsilon", "epsilon"),
        ("negative_slope", "negative_slope"),
        ("alpha", "alpha"),
        ("groups", "num_groups"),
        ("axis", "dim"),
    )
    if evidence.kind in ("layer_norm", "group_norm") or evidence.kind.startswith("activation:"):
        for theirs, ours in names:
            if theirs in config and ours in settings and differs(config[theirs], settings[ours]):
                if theirs == "axis":
                    continue
                said = f"{theirs} {config[theirs]:g} in Keras, {settings[ours]:g} in the port"
                return Match(NUMBERS if evidence.is_own else SETTINGS, said)
    if evidence.kind == "activation:leaky_relu":
        return _tried(evidence, "leaky_relu (0.01)", "leaky_relu (0.3)", "leaky_relu")
    return None


# --- activations ---------------------------------------------------------------------------------


def _tried(evidence: Evidence, *names: str) -> Match | None:
    x = evidence.keras_input()
    if x is None:
        return None
    for name in names:
        if evidence.gives(arithmetic.ACTIVATIONS[name](x)):
            return Match(NUMBERS, f"the port computes {name}")
    return None


def _gelu(evidence: Evidence) -> Match | None:
    if not _is_forward(evidence):
        return None
    if evidence.kind == "activation:gelu":
        return _tried(evidence, "gelu (exact)", "gelu (tanh)")
    return _between(evidence, "gelu (exact)", "gelu (tanh)")


def _softmax_axis(evidence: Evidence) -> Match | None:
    x = evidence.keras_input()
    if not _is_forward(evidence, "activation:softmax") or x is None:
        return None
    for axis in range(x.ndim - 1):
        shifted = np.exp(x - x.max(axis=axis, keepdims=True))
        if evidence.gives(shifted / shifted.sum(axis=axis, keepdims=True)):
            return Match(NUMBERS, f"the port takes the softmax over axis {axis}")
    return None


def _between(evidence: Evidence, *names: str) -> Match | None:
    """The port's input of a layer is another activation of what Keras activates before it."""
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    number, _, ours = found
    before = evidence.source(number)
    if before is None or not before["kind"].startswith("activation:"):
        return None
    key = f"forward/{evidence.mode}/{before['name']}/input/0"
    for name in names:
        if key in evidence.bundle and is_close(
            arithmetic.ACTIVATIONS[name](evidence.bundle[key]), ours
        ):
            return Match(NUMBERS, f"the port computes {name} before {evidence.node['name']}")
    return None


def _added(evidence: Evidence) -> Match | None:
    """The port activates what Keras gives to a layer as it is."""
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    _, x, ours = found
    for name, activation in arithmetic.ACTIVATIONS.items():
        if is_close(activation(x), ours):
            return Match(NUMBERS, f"only the port computes {name} before {evidence.node['name']}")
    return None


def _other_pool(evidence: Evidence) -> Match | None:
    """The port takes the mean of windows of which Keras takes the maximum, or the reverse."""
    found = evidence.failing_input()
    before = None if found is None else evidence.source(found[0])
    if found is None or before is None or before["kind"] not in _POOLS:
        return None
    key, config = f"forward/{evidence.mode}/{before['name']}/input/0", before["config"]
    x = evidence.bundle[key]
    size = _each(config["pool_size"], x.ndim - 2)
    strides = _each(config.get("strides") or size, x.ndim - 2)
    is_same = config.get("padding") == "same"
    ones = [1] * len(size)
    same = arithmetic.same_padding(x.shape[1:-1], size, strides, ones)
    padding = same if is_same else [(0, 0)] * len(size)
    is_max = before["kind"] == "max_pool"
    fill, counted = (0.0, False) if is_max else (-np.inf, None)
    value = arithmetic.pool(x, size, strides, padding, fill=fill, counted=counted)
    if not is_close(value, found[2]):
        return None
    names = ("the maximum", "the mean")
    theirs, ours = names if is_max else reversed(names)
    return Match(NUMBERS, f"{before['name']} takes {theirs} in Keras, {ours} in the port")


def other_activation(evidence: Evidence) -> Match | None:
    """Another activation, or none, stands where Keras has one."""
    if not _is_forward(evidence):
        return None
    found = _between(evidence, *arithmetic.ACTIVATIONS) or _added(evidence)
    if found is None and evidence.kind.startswith("activation:"):
        own = evidence.kind.removeprefix("activation:")  # with other constants it is still that
        others = [name for name in arithmetic.ACTIVATIONS if not name.startswith(own)]
        found = _tried(evidence, *others)
    return found


def features_order(evidence: Evidence) -> Match | None:
    """The same numbers enter in another order."""
    x, ours = evidence.keras_input(), evidence.port_input()
    if not _is_forward(evidence, "dense", "batch_norm") or x is None or ours is None:
        return None
    if is_close(x, ours) or not is_close(np.sort(x, axis=-1), np.sort(ours, axis=-1)):
        return None
    return Match(NUMBERS, "the same features in another order")


def _wiring(evidence: Evidence) -> Match | None:
    """What the port gives to a layer is what Keras gives to, or gets from, another place."""
    found, node = evidence.failing_input(), evidence.node
    if not _is_forward(evidence) or found is None or node is None:
        return None
    number, _, ours = found
    for other in range(len(node["input_shapes"])):
        if evidence.is_recorded(f"{node['name']}/input/{other}", ours):
            return Match(NUMBERS, f"the inputs of {node['name']} stand in another order")
    for other in evidence.bundle.facts["nodes"]:
        if evidence.is_recorded(f"{other['name']}/output", ours):
            before = evidence.source(number)
            theirs = before["name"] if before else "another tensor"
            return Match(
                NUMBERS, f"{node['name']} is given {other['name']} in the port, {theirs} in Keras"
            )
    return None


def _between_layers(evidence: Evidence) -> Match | None:
    """What stands between two layers differs, and nothing else is known about it."""
    if not _is_forward(evidence) or not evidence.is_input:
        return None
    found = evidence.failing_input()
    before = evidence.source(found[0] if found else 0)
    name = before["name"] if before else "the input"
    return Match(PLACE, f"{name} and what comes after it, up to {evidence.node['name']}")  # type: ignore[index]


# --- dropout, resampling -------------------------------------------------------------------------


def _rate(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not _is_forward(evidence) or not item.name.endswith(".rate"):
        return None
    theirs, ours = float(item.keras), float(item.torch)
    inverted = abs(theirs + ours - 1) < 1e-12
    return Match(NUMBERS, "the port has 1 - rate" if inverted else f"{theirs:g} against {ours:g}")


def _grain(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not _is_forward(evidence, "dropout") or not item.name.endswith(" drops"):
        return None
    return Match(NUMBERS, f"{item.keras} in Keras, {item.torch} in the port")


def _mode(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not _is_forward(evidence, "dropout") or item.keras not in ("on", "off"):
        return None
    return Match(NUMBERS, f"{item.name}: {item.keras} in Keras, {item.torch} in the port")


def _resampling(evidence: Evidence) -> Match | None:
    if not _is_forward(evidence, "upsampling") or evidence.is_own is False:
        return None
    detail = f"{evidence.config.get('interpolation', 'nearest')} in Keras"
    said = evidence.settings.get("mode")
    if said is not None:
        detail += f", {said} in the port"
    return Match(SETTINGS, detail)


def _own_error(evidence: Evidence) -> Match | None:
    """The layer errs on Keras's own input, and no formula is known for it."""
    if not _is_forward(evidence) or not evidence.is_own or evidence.node is None:
        return None
    return Match(PLACE / 2, f"{evidence.node['name']} itself computes something else")


ENTRIES = (
    Divergence(
        "A5",
        "padding 'same' with a stride is not symmetric",
        "forward",
        "total = max((ceil(n / s) - 1) * s + k - n, 0); total // 2 before, the rest after",
        "padding=k // 2 on both sides: the output is shifted by a pixel",
        "keras 3.15 layers/convolutional/base_conv.py; TensorFlow's SAME",
        "torch_impl.layers.Conv2D(..., padding='same'), or F.pad before a convolution without",
        _symmetric,
    ),
    Divergence(
        "A7",
        "a maximum is taken over another padding",
        "forward",
        "'same' pads with -inf, the odd pixel after",
        "padding=k // 2 on both sides, or zeros, which win over negative numbers",
        "keras 3.15 layers/pooling/base_pooling.py; TensorFlow's SAME",
        "torch_impl.layers.MaxPooling2D(..., padding='same')",
        _max_pool,
    ),
    Divergence(
        "A8",
        "an average counts its padding",
        "forward",
        "'same' divides by the number of real pixels",
        "count_include_pad=True: padding counts as zeros",
        "keras 3.15 layers/pooling/base_pooling.py",
        "torch_impl.layers.AveragePooling2D(..., padding='same')",
        _average_pool,
    ),
    Divergence(
        "A9",
        "a transposed convolution is cropped at another pixel",
        "forward",
        "'same': (k - s) // 2 before, the rest after",
        "padding on both sides, and output_padding after",
        "keras 3.15 layers/convolutional/base_conv_transpose.py",
        "torch_impl.layers.Conv2DTranspose(..., padding='same')",
        _transposed,
    ),
    Divergence(
        "A18",
        "windows are placed otherwise: padding, stride or dilation",
        "forward",
        "padding, strides and dilation_rate of the Keras layer",
        "others",
        "keras 3.15 layers/convolutional/base_conv.py",
        "the same stride and dilation; padding as in Keras (torch_impl.layers)",
        _other_windows,
    ),
    Divergence(
        "C1",
        "BatchNormalization has another epsilon",
        "forward",
        "epsilon = 1e-3",
        "eps = 1e-5",
        "keras 3.15 layers/normalization/batch_normalization.py",
        "nn.BatchNorm2d(channels, eps=1e-3)",
        _norm_epsilon,
    ),
    Divergence(
        "C2",
        "BatchNormalization moves its statistics at another pace",
        "forward",
        "moving = momentum * moving + (1 - momentum) * batch, momentum = 0.99",
        "running = (1 - momentum) * running + momentum * batch, momentum = 0.1",
        "keras 3.15 layers/normalization/batch_normalization.py",
        "nn.BatchNorm2d(channels, momentum=0.01): one minus Keras's",
        _momentum,
    ),
    Divergence(
        "C3",
        "BatchNormalization keeps an unbiased variance",
        "forward",
        "the moving variance is that of the batch, divided by n (Keras 2, of images: by n - 1)",
        "running_var is divided by n - 1",
        "keras 3.15 layers/normalization/batch_normalization.py",
        "torch_impl.layers.BatchNormalization",
        _unbiased,
    ),
    Divergence(
        "C4",
        "a normalisation is frozen in one half only",
        "forward",
        "trainable=False: moving statistics are used, and stay",
        "requires_grad=False: the statistics of the batch are used, and the moving ones move",
        "keras 3.15 layers/normalization/batch_normalization.py",
        "module.eval() on the normalisation after model.train(), or not in the other half",
        lambda evidence: _frozen(evidence) or _norm_statistics(evidence),
    ),
    Divergence(
        "C5",
        "BatchNorm takes no batch of one sample",
        "trajectory",
        "a batch of one value for each channel has variance 0",
        "ValueError: Expected more than 1 value per channel when training",
        "torch nn/functional.py",
        "torch_impl.layers.BatchNormalization, or drop the last batch in both halves",
        _batch_of_one,
    ),
    Divergence(
        "A13",
        "a layer has another constant: epsilon of a normalisation, slope of an activation",
        "forward",
        "epsilon 1e-3 of LayerNormalization and GroupNormalization; LeakyReLU 0.3, leaky_relu 0.2",
        "eps 1e-5; slope 0.01",
        "keras 3.15 layers/normalization, layers/activations/leaky_relu.py",
        "give the number: nn.LayerNorm(shape, eps=1e-3), nn.LeakyReLU(0.3)",
        _other_epsilon,
    ),
    Divergence(
        "A20",
        "GELU is exact in one half and approximate in the other",
        "forward",
        "keras.activations.gelu(x, approximate=False)",
        "F.gelu(x, approximate='none' or 'tanh')",
        "keras 3.15 activations/activations.py",
        "F.gelu(x, approximate=...) as in Keras",
        _gelu,
    ),
    Divergence(
        "A21",
        "a softmax is taken over another axis",
        "forward",
        "axis=-1, the classes",
        "another dim",
        "keras 3.15 activations/activations.py",
        "x.softmax(dim=1) for (N, C, ...)",
        _softmax_axis,
    ),
    Divergence(
        "C6",
        "Dropout has another rate",
        "forward",
        "rate: the share that is dropped",
        "p: the share that is dropped; in TensorFlow 1 keep_prob was the share that is kept",
        "keras 3.15 layers/regularization/dropout.py",
        "nn.Dropout(p=rate)",
        _rate,
    ),
    Divergence(
        "C15",
        "Dropout drops whole channels in one half only",
        "forward",
        "SpatialDropout drops channels; Dropout single values, unless it has a noise_shape",
        "nn.Dropout2d drops channels, nn.Dropout single values",
        "keras 3.15 layers/regularization/spatial_dropout.py; torch nn/modules/dropout.py",
        "nn.Dropout1d, nn.Dropout2d or nn.Dropout3d for SpatialDropout",
        _grain,
    ),
    Divergence(
        "C7",
        "Dropout is active in the wrong mode",
        "forward",
        "active in fit, not in evaluate and predict",
        "F.dropout(x, p) is active always: its argument training is True by default",
        "torch nn/functional.py",
        "F.dropout(x, p, training=self.training), or nn.Dropout",
        _mode,
    ),
    Divergence(
        "C14",
        "images are enlarged otherwise",
        "forward",
        "UpSampling2D: nearest; bilinear with half-pixel centres",
        "align_corners=True, or another mode",
        "keras 3.15 layers/reshaping/up_sampling2d.py",
        "F.interpolate(x, scale_factor=..., mode=..., align_corners=False)",
        _resampling,
    ),
    Divergence(
        "A22",
        "a layer reads another tensor",
        "forward",
        "the tensor that the Keras layer is called with",
        "the output of another layer, or the same tensors in another order",
        "-",
        "call the module with what the Keras layer is called with",
        _wiring,
    ),
    Divergence(
        "A23",
        "a pool takes the maximum in one half and the mean in the other",
        "forward",
        "MaxPooling2D or AveragePooling2D",
        "the other one",
        "keras 3.15 layers/pooling",
        "nn.MaxPool2d for MaxPooling2D, nn.AvgPool2d for AveragePooling2D",
        _other_pool,
    ),
    Divergence(
        "N1",
        "something between two layers differs",
        "forward",
        "what Keras computes between the last layer that agrees and this one's input",
        "something else",
        "-",
        "compare the lines between the two layers: activation, pool, padding, order",
        _between_layers,
    ),
    Divergence(
        "N2",
        "a layer computes something else",
        "forward",
        "what Keras's layer makes of its input",
        "something else, from the same input with the same weights",
        "-",
        "compare the arguments of the two layers",
        _own_error,
    ),
)
