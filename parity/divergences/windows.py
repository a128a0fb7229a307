"""Divergences of windows: kernels, convolutions, transposed convolutions and pools."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, Evidence, differs, is_close
from parity.divergences.layer_settings import pads_differ
from parity.divergences.relations import FACT, relations

# --------------------------------------------------------------------------------------------------
#
# Divergences of the kernel that a layer computes with, found from what the layer gets and makes.
#
# A convolution and a Dense layer are linear in their kernel. So the kernel that gives a layer's
# values is the solution of linear equations, also where code masks, turns or normalises it.


Array = np.ndarray
_CONVS_OF_KERNELS = ("conv",)
_MOST_UNKNOWN = 600  # of a kernel, for one channel
_MOST_SHOWN = 4


def _kernel(evidence: Evidence) -> Match | None:
    """Recognises another kernel: the same layer, with other numbers in it."""
    x, made, isolated = evidence.keras_input(), evidence.keras_output(), evidence.own_output()
    is_known = evidence.is_forward(*_CONVS_OF_KERNELS, "dense") and evidence.is_own
    if (
        not is_known
        or x is None
        or made is None
        or isolated is None
        or made.shape != isolated.shape
    ):
        return None
    size, windows = _windows_of_kernels(evidence, x)
    if windows is None or windows.shape[0] != made[..., 0].size:
        return None
    theirs, ours = (_solved(windows, y.reshape(-1, y.shape[-1])) for y in (made, isolated))
    if theirs is None or ours is None:
        return None
    if is_close(theirs[:-1], ours[:-1], OF_FLOAT32):
        return Match(NUMBERS, "the port computes with another bias")
    shape = (*size, x.shape[-1], made.shape[-1])
    text = _difference(theirs[:-1].reshape(shape), ours[:-1].reshape(shape), len(size))
    return Match(NUMBERS, f"the port computes with another kernel: {text}")


def _windows_of_kernels(evidence: Evidence, x: Array) -> tuple[list[int], Array | None]:
    """Returns the size of a kernel, and a row with what it sees for each value that it makes."""
    config, rank = evidence.config, x.ndim - 2
    if evidence.kind == "dense":
        rows: Array = x.reshape(-1, x.shape[-1])
        return [], _with_ones(rows)
    size, strides, dilation = (
        list(value) if isinstance(value, list | tuple) else [int(value)] * rank
        for value in (config["kernel_size"], config["strides"], config.get("dilation_rate", 1))
    )
    if config.get("groups", 1) != 1 or np.prod(size) * x.shape[-1] > _MOST_UNKNOWN:
        return size, None
    padding = [(0, 0)] * rank
    if config["padding"] == "same":
        padding = arithmetic.same_padding(x.shape[1:-1], size, strides, dilation)
    elif config["padding"] == "causal":
        padding = [((size[0] - 1) * dilation[0], 0)]
    unknown = int(np.prod(size)) * x.shape[-1]
    every = np.eye(unknown).reshape(*size, x.shape[-1], unknown)
    patches = arithmetic.conv(x, every, None, strides, padding, dilation)
    return size, _with_ones(patches.reshape(-1, unknown))


def _with_ones(rows: Array) -> Array:
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


def _solved(rows: Array, made: Array) -> Array | None:
    """Returns the one kernel, with its bias last, that gives some values, or None."""
    unknown = rows.shape[1]
    if unknown > min(len(rows), _MOST_UNKNOWN) or not np.isfinite(made).all():
        return None
    found, _, rank, _ = np.linalg.lstsq(rows, made, rcond=None)
    if rank < unknown or not is_close(rows @ found, made, 1e-8):
        return None
    return np.asarray(found)


def _difference(theirs: Array, ours: Array, rank: int) -> str:
    limit = OF_FLOAT32 * float(np.abs(theirs).max() or 1.0)
    places = tuple(range(rank))
    at = np.abs(theirs - ours).max(tuple(range(rank, theirs.ndim))) > limit
    shown = [list(map(int, each)) for each in np.argwhere(at)[:_MOST_SHOWN]] if rank else []
    positions = ", ".join(map(str, shown)) + (", ..." if at.sum() > len(shown) else "")
    if shown and not at.all():
        if np.abs(theirs[at]).max() <= limit:
            return f"{positions} count in the port, and are zero in Keras"
        if np.abs(ours[at]).max() <= limit:
            return f"{positions} are zero in the port, and count in Keras"
    for axes in _sets(places):
        if np.abs(np.flip(theirs, axes) - ours).max() <= limit:
            return f"Keras's flipped along {', '.join(map(str, axes))}"
    known = next(iter(relations(theirs, ours, OF_FLOAT32)), None)
    if known is not None and known.kind != FACT:
        return known.text
    if shown and not at.all():
        return f"it differs at {positions} alone"
    return f"it differs by up to {float(np.abs(theirs - ours).max()):.3g}"


def _sets(axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [s for n in range(1, len(axes) + 1) for s in itertools.combinations(axes, n)]


RULES_OF_KERNELS: dict[str, Recogniser] = {"A43": _kernel}


# --- Divergences of windows: convolutions, transposed convolutions and pools ----------------------


_CONVS = ("conv", "depthwise_conv")
_POOLS = ("max_pool", "average_pool")


def _sizes(evidence: Evidence) -> tuple[list[int], list[int], list[int]] | None:
    """Returns size, strides and dilation of the windows of a layer; None if it has none."""
    config, x = evidence.config, evidence.keras_input()
    size = config.get("kernel_size", config.get("pool_size"))
    if size is None or x is None:
        return None
    rank = x.ndim - 2

    strides = config.get("strides") or size
    dilation = config.get("dilation_rate", 1)
    return _each(size, rank), _each(strides, rank), _each(dilation, rank)


def _each(value: Any, rank: int) -> list[int]:
    """Returns a setting for each spatial axis."""
    return list(value) if isinstance(value, list | tuple) else [int(value)] * rank


def _conv(evidence: Evidence, strides: Any, padding: Any, dilation: Any) -> np.ndarray | None:
    """Returns the output of Keras's layer with different windows."""
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
    """Recognises `padding=k // 2` instead of "same" with a stride."""
    sizes = _sizes(evidence)
    if not evidence.is_forward(*_CONVS) or sizes is None:
        return None
    size, strides, dilation = sizes
    padding = arithmetic.symmetric_padding(size, dilation)
    if max(strides) > 1 and evidence.gives(_conv(evidence, strides, padding, dilation)):
        return Match(NUMBERS, f"padding={size[0] // 2} on both sides gives the port's numbers")
    return None


def other_windows(evidence: Evidence) -> Match | None:
    """Recognises a different padding, stride or dilation, by trials, then by the settings."""
    if evidence.is_forward("zero_padding"):
        return _other_zeros(evidence)
    sizes = _sizes(evidence)
    if not evidence.is_forward(*_CONVS, *_POOLS, "conv_transpose") or sizes is None:
        return None
    size, strides, dilation = sizes
    x = evidence.keras_input()
    if evidence.kind in _CONVS and x is not None:
        paddings = {"valid": [(0, 0)] * len(size)}
        paddings["same"] = arithmetic.same_padding(x.shape[1:-1], size, strides, dilation)
        keras = (paddings.get(str(evidence.config.get("padding"))), strides, dilation)
        for name, padding, stride, spread in _windows(x.shape[1:-1], size, strides, dilation):
            if (padding, stride, spread) == keras:  # then it is the kernel that is another one
                continue
            if evidence.gives(_conv(evidence, stride, padding, spread)):
                return Match(NUMBERS, f"{name} gives the port's numbers")
    settings = evidence.settings
    for theirs, name in ((strides, "stride"), (dilation, "dilation"), (size, "kernel_size")):
        if name in settings and differs(theirs, settings[name]):
            return Match(SETTINGS, f"{name} {theirs} in Keras, {settings[name]} in the port")
    mode = settings.get("padding_mode") or "zeros"
    if mode != "zeros":
        return Match(SETTINGS, f"zeros around an image in Keras, {mode!r} in the port")
    if evidence.is_own is False or evidence.node is None:
        return None
    if settings.get("padding") is not None and not pads_differ(evidence.node, settings):
        return None
    if settings.get("padding") is not None or evidence.is_own:
        is_shape = "shape" in evidence.item.note
        said = settings.get("padding", "another")
        detail = f"padding {evidence.config.get('padding')} in Keras, {said} in the port"
        return Match(SETTINGS if is_shape else PLACE, detail)
    return None


def _other_zeros(evidence: Evidence) -> Match | None:
    """Recognises a layer that pads at other sides, or by other numbers of zeros."""
    x, ours = evidence.keras_input(), evidence.own_output()
    if x is None or ours is None or (x.shape[0], x.shape[-1]) != (ours.shape[0], ours.shape[-1]):
        return None
    more = [y - z for y, z in zip(ours.shape[1:-1], x.shape[1:-1], strict=True)]
    for before in itertools.product(*(range(number + 1) for number in more)):
        padding = [(first, number - first) for first, number in zip(before, more, strict=True)]
        if evidence.gives(np.pad(x, [(0, 0), *padding, (0, 0)])):
            theirs = evidence.config.get("padding")
            return Match(NUMBERS, f"padding {theirs} in Keras, {padding} in the port")
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


def _ceil_mode(evidence: Evidence) -> Match | None:
    sizes, x = _sizes(evidence), evidence.keras_input()
    if not evidence.is_forward(*_POOLS) or sizes is None or x is None:
        return None
    size, strides, _ = sizes
    is_max = evidence.kind == "max_pool"
    rest = [
        (side - k) % stride for side, k, stride in zip(x.shape[1:-1], size, strides, strict=True)
    ]
    padding = [(0, (stride - r) if r else 0) for r, stride in zip(rest, strides, strict=True)]
    if not any(rest):
        return None
    fill, counted = (-np.inf, None) if is_max else (0.0, False)
    value = arithmetic.pool(x, size, strides, padding, fill=fill, counted=counted)
    ours = evidence.own_output()
    if evidence.is_close(value, ours):
        return Match(NUMBERS, "the port has a window more at the end, which is not whole")
    return Match(SETTINGS, "ceil_mode=True") if evidence.settings.get("ceil_mode") else None


def _max_pool(evidence: Evidence) -> Match | None:
    return _pool(evidence, "max_pool", ((-np.inf, None, "-inf"), (0.0, None, "zeros")))


def _average_pool(evidence: Evidence) -> Match | None:
    return _pool(
        evidence,
        "average_pool",
        ((0.0, True, "zeros that count"), (0.0, False, "padding that does not count")),
    )


def _pool(evidence: Evidence, kind: str, fills: Any) -> Match | None:
    sizes = _sizes(evidence)
    if not evidence.is_forward(kind) or sizes is None:
        return None
    size, strides, _ = sizes
    for x in evidence.inputs():  # of the pool, or of a layer that pads before it
        paddings = {
            "on both sides": [(k // 2, k // 2) for k in size],
            "as in Keras": arithmetic.same_padding(x.shape[1:-1], size, strides, [1] * len(size)),
        }
        for where, padding in paddings.items():
            for fill, counted, name in fills:
                value = arithmetic.pool(x, size, strides, padding, fill=fill, counted=counted)
                if evidence.gives(value):
                    return Match(NUMBERS, f"padding {where} with {name} gives the port's numbers")
    return Match(PLACE, "the port's pool gives different numbers") if evidence.is_own else None


def _transposed(evidence: Evidence) -> Match | None:
    if not evidence.is_forward("conv_transpose") or not evidence.is_own:
        return None
    ours, theirs = evidence.own_output(), evidence.keras_output()
    if ours is None or theirs is None:
        return None
    # The uncropped product is the same; the crop starts at a different pixel.
    axes = range(1, theirs.ndim - 1)
    for shift in itertools.product((-2, -1, 0, 1, 2), repeat=len(axes)):
        if any(shift) and _overlap(evidence, theirs, ours, shift):
            return Match(NUMBERS, f"the port's output is Keras's moved by {shift} pixels")
    return Match(PLACE, "the port crops the output differently")


def _overlap(
    evidence: Evidence, theirs: np.ndarray, ours: np.ndarray, shift: Sequence[int]
) -> bool:
    """Whether ours[i] = theirs[i + shift] for all i that both have."""
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
    return evidence.is_close(theirs[tuple(a)][inner], ours[tuple(b)][inner])


def other_pool(evidence: Evidence) -> Match | None:
    """Recognises a mean instead of a maximum over windows, or the reverse."""
    found = evidence.failing_input()
    before = None if found is None else evidence.source(found[0])
    if found is None or before is None or before["kind"] not in _POOLS:
        return None
    key, config = f"forward/{evidence.mode}/{before['name']}/input/0", before["config"]
    x = evidence.keras[key]
    size = _each(config["pool_size"], x.ndim - 2)
    strides = _each(config.get("strides") or size, x.ndim - 2)
    is_same = config.get("padding") == "same"
    ones = [1] * len(size)
    same = arithmetic.same_padding(x.shape[1:-1], size, strides, ones)
    padding = same if is_same else [(0, 0)] * len(size)
    is_max = before["kind"] == "max_pool"
    fill, counted = (0.0, False) if is_max else (-np.inf, None)
    value = arithmetic.pool(x, size, strides, padding, fill=fill, counted=counted)
    if not evidence.is_close(value, found[2]):
        return None
    names = ("the maximum", "the mean")
    theirs, ours = names if is_max else reversed(names)
    return Match(NUMBERS, f"{before['name']} takes {theirs} in Keras, {ours} in the port")


RULES: dict[str, Recogniser] = {
    "A24": _ceil_mode,
    "A5": _symmetric,
    "A7": _max_pool,
    "A8": _average_pool,
    "A9": _transposed,
}
