"""Layers, and update rules of optimizers, in a few lines of NumPy, to try a suspected formula."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

# --- Layers in a few lines of NumPy, in Keras's layout, to try a suspected formula ----------------
#
# They are slow, and made for the small arrays of a probe. Paddings are ((before, after), ...), a
# pair per spatial axis.


Padding = Sequence[tuple[int, int]]

# Entries of an array; a formula that needs more, because of settings from outside, is not tried.
# The probes of a check have 1e5.
MAX_ENTRIES = 2**24


def conv(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
) -> np.ndarray:
    """Returns a convolution: x (N, ..., C), kernel (..., C / groups, out)."""
    windows = _windows(x, kernel.shape[:-2], strides, padding, dilation, 0.0)
    groups = x.shape[-1] // kernel.shape[-2]
    parts = []
    for group in range(groups):
        inputs = np.split(windows, groups, axis=-1)[group]
        outputs = np.split(kernel, groups, axis=-1)[group]
        axes = list(range(1 - outputs.ndim, 0))
        parts.append(np.tensordot(inputs, outputs, axes=(axes, list(range(outputs.ndim - 1)))))
    y = np.concatenate(parts, axis=-1)
    return y if bias is None else y + bias


def depthwise_conv(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
) -> np.ndarray:
    """Returns a depthwise convolution, one group per channel: kernel (..., C, multiplier)."""
    return conv(x, kernel.reshape(*kernel.shape[:-2], 1, -1), bias, strides, padding, dilation)


def pool(
    x: np.ndarray,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    *,
    fill: float,
    counted: bool | None = None,
) -> np.ndarray:
    """Returns a pool: the maximum, or the mean, with or without padding as a value (`counted`)."""
    windows = _windows(x, size, strides, padding, [1] * len(size), fill)
    axes = tuple(range(-1 - len(size), -1))
    if counted is None:
        return np.asarray(windows.max(axis=axes))
    if counted:
        return np.asarray(windows.mean(axis=axes))
    ones = _windows(np.ones_like(x), size, strides, padding, [1] * len(size), 0.0)
    return np.asarray(windows.sum(axis=axes) / ones.sum(axis=axes))


def batch_norm(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    epsilon: float,
) -> np.ndarray:
    """Returns gamma * (x - mean) / sqrt(variance + epsilon) + beta, by channel."""
    y: np.ndarray = (x - mean) / np.sqrt(variance + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def batch_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns mean, biased variance and number of values of each channel."""
    axes = tuple(range(x.ndim - 1))
    return x.mean(axis=axes), x.var(axis=axes), math.prod(x.shape[:-1])


def same_padding(
    shape: Sequence[int], size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Returns Keras's "same" padding: for ceil(side / stride) outputs, the odd pixel after."""
    result = []
    for side, k, stride, d in zip(shape, size, strides, dilation, strict=True):
        total = max((-(-side // stride) - 1) * stride + (k - 1) * d + 1 - side, 0)
        result.append((total // 2, total - total // 2))
    return result


def symmetric_padding(size: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the usual `padding=k // 2`."""
    return [(k // 2 * d, k // 2 * d) for k, d in zip(size, dilation, strict=True)]


ACTIVATIONS = {
    "linear": lambda x: x,
    "abs": np.abs,
    "square": np.square,
    "minus": np.negative,
    "exp": np.exp,
    "sqrt of abs": lambda x: np.sqrt(np.abs(x)),
    "relu squared": lambda x: np.maximum(x, 0) ** 2,
    "1 - x": lambda x: 1 - x,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "elu (0.5)": lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "leaky_relu (0.01)": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky_relu (0.3)": lambda x: np.where(x > 0, x, 0.3 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "silu": lambda x: x * special.expit(x),
    "gelu (exact)": lambda x: x * special.ndtr(x),
    "gelu (tanh)": lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "softmax": lambda x: special.softmax(x, axis=-1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid (of Keras 2)": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
}


def _windows(
    x: np.ndarray,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
    fill: float,
) -> np.ndarray:
    """Returns the window of each output, (N, out..., size..., C)."""
    sides = [side + sum(pair) for side, pair in zip(x.shape[1:-1], padding, strict=True)]
    if math.prod(sides) * math.prod(size) > MAX_ENTRIES:
        raise ValueError(f"windows of {list(size)} in {sides}: expected a smaller layer")
    padded = np.pad(x, [(0, 0), *padding, (0, 0)], constant_values=fill)
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    counts = [
        (side - r) // stride + 1
        for side, r, stride in zip(padded.shape[1:-1], reach, strides, strict=True)
    ]
    if min(counts) < 1:
        return np.empty((x.shape[0], *[0] * len(size), *size, x.shape[-1]))
    result = np.empty((x.shape[0], *counts, *size, x.shape[-1]), dtype=x.dtype)
    for place in itertools.product(*(range(k) for k in size)):
        rows = tuple(
            slice(p * d, p * d + (n - 1) * stride + 1, stride)
            for p, d, n, stride in zip(place, dilation, counts, strides, strict=True)
        )
        target: Any = (slice(None), *[slice(None)] * len(size), *place, slice(None))
        result[target] = padded[(slice(None), *rows, slice(None))]
    return result


# --------------------------------------------------------------------------------------------------
#
# Update rules of optimizers in NumPy, with a setting for each difference of Keras and PyTorch.
#
#     w, g, settings -> the weights after each step
#
# There is one function per family; the setting `torch` selects torch's equations. They are only for
# trials on the numbers of a probe: a rule that gives the port's weights shows what the port does.
# Keras rounds some of its constants to float32, even in float64: 1 - 0.999**t differs by 1.3e-5. A
# port by hand may do so or not, which the setting `rounded` tells; both are right.


OF_PARTS = "norm of parts"  # a way of clipping; see `clipped`
Settings = Mapping[str, Any]
Gradients = Sequence[np.ndarray]


def steps(
    family: str, w: np.ndarray, gradients: Gradients, rates: Sequence[float], s: Settings
) -> Iterator[np.ndarray]:
    """Yields the weight after each step.

    Args:
        family: one of `FAMILIES`.
        w: initial weight.
        gradients: one per step, already clipped.
        rates: the learning rate of each step.
        s: settings; weight decay is "decay", a pair (how, factor) with how "decoupled", "coupled";
            "accumulated" is a pair (number of steps per update, "mean" or "sum"); "rounded" is
            whether Keras's equations have its constants in float32.
    """
    state: dict[str, Any] = {}
    how, factor = s.get("decay") or (None, 0.0)
    factor = _constant(factor, s)
    num_steps, reduction = s.get("accumulated") or (1, "mean")
    total: Any = 0.0
    for step, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        total = total + g
        if step % num_steps:
            yield w
            continue
        t = step // num_steps
        g, total = total / (num_steps if reduction == "mean" else 1), 0.0
        if how == "coupled":
            g = g + factor * w
        elif how == "decoupled":
            w = w - w * factor * lr
        w = FAMILIES[family](w, g, lr, t, state, s)
        yield w


def _constant(value: float, s: Settings) -> float:
    """Returns a constant rounded as Keras's `ops.cast` does, or unchanged."""
    is_rounded = s.get("rounded", True) and not s["torch"]
    return float(np.float32(value)) if is_rounded else float(value)


def _adam(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    b1, b2 = s["betas"]
    m = state["m"] = state.get("m", 0.0) * b1 + (1 - b1) * g
    v = state["v"] = state.get("v", 0.0) * b2 + (1 - b2) * g * g
    if s.get("amsgrad"):
        v = state["max"] = np.maximum(state.get("max", 0.0), v)
    c1, c2 = 1 - _constant(b1, s) ** t, 1 - _constant(b2, s) ** t
    if s["torch"]:
        return w - lr * (m / c1) / (np.sqrt(v / c2) + s["epsilon"])
    return w - lr * np.sqrt(c2) / c1 * m / (np.sqrt(v) + s["epsilon"])


def _nadam(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    b1, b2 = (_constant(beta, s) for beta in s["betas"])
    pace = s.get("momentum_decay", 1.0)
    u_t, u_n = (b1 * (1 - 0.5 * _constant(0.96, s) ** (number * pace)) for number in (t, t + 1))
    # The product uses constants that are not rounded, in Keras too.
    factor = s["betas"][0] * (1 - 0.5 * 0.96 ** (t * pace))
    product = state["product"] = state.get("product", 1.0) * factor
    m = state["m"] = state.get("m", 0.0) * b1 + (1 - b1) * g
    v = state["v"] = state.get("v", 0.0) * b2 + (1 - b2) * g * g
    step = u_n * m / (1 - product * u_n) + (1 - u_t) * g / (1 - product)
    return w - lr * step / (np.sqrt(v / (1 - b2**t)) + s["epsilon"])


def _adamax(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    b1, b2 = s["betas"]
    m = state["m"] = state.get("m", 0.0) * b1 + (1 - b1) * g
    size = np.abs(g) + (s["epsilon"] if s["torch"] else 0.0)
    u = state["u"] = np.maximum(state.get("u", 0.0) * b2, size)
    return w - lr / (1 - _constant(b1, s) ** t) * m / (u if s["torch"] else u + s["epsilon"])


def _sgd(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    momentum = _constant(s["momentum"], s)
    if not momentum:
        return w - lr * g
    if s["torch"]:
        b = state["b"] = g if "b" not in state else momentum * state["b"] + g
        return w - lr * (g + momentum * b if s["nesterov"] else b)
    v = state["v"] = momentum * state.get("v", 0.0) - lr * g
    return w + (momentum * v - lr * g if s["nesterov"] else v)


def _rmsprop(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    rho, epsilon = s["rho"], s["epsilon"]
    v = state["v"] = state.get("v", 0.0) * rho + (1 - rho) * g * g
    if s.get("centered"):
        a = state["a"] = state.get("a", 0.0) * rho + (1 - rho) * g
        v = v - a * a
    step = g / (np.sqrt(v) + epsilon if s["torch"] or s["outside"] else np.sqrt(v + epsilon))
    if not s["momentum"]:
        return w - lr * step
    if s["torch"]:
        b = state["b"] = s["momentum"] * state.get("b", 0.0) + step
        return w - lr * b
    b = state["b"] = s["momentum"] * state.get("b", 0.0) + lr * step
    return w - b


def _adagrad(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    a = state["a"] = state.get("a", _constant(s["start"], s)) + g * g
    return w - lr * g / (
        np.sqrt(a) + s["epsilon"] if s["torch"] or s["outside"] else np.sqrt(a + s["epsilon"])
    )


def _adadelta(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    rho, epsilon = s["rho"], s["epsilon"]
    a = state["a"] = state.get("a", 0.0) * rho + (1 - rho) * g * g
    delta = np.sqrt(state.get("d", 0.0) + epsilon) / np.sqrt(a + epsilon) * g
    state["d"] = state.get("d", 0.0) * rho + (1 - rho) * delta * delta
    return w - lr * delta


def _lion(w: Any, g: Any, lr: float, t: int, state: dict[str, Any], s: Settings) -> Any:
    b1, b2 = s["betas"]
    m = state.get("m", 0.0)
    state["m"] = m * b2 + (1 - b2) * g
    return w - lr * np.sign(m * b1 + (1 - b1) * g)


FAMILIES: dict[str, Callable[..., Any]] = {
    "adam": _adam,
    "nadam": _nadam,
    "adamax": _adamax,
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "lion": _lion,
}
# Keras's class -> family.
OF_KERAS = {
    "Adam": "adam",
    "AdamW": "adam",
    "Nadam": "nadam",
    "Adamax": "adamax",
    "SGD": "sgd",
    "RMSprop": "rmsprop",
    "Adagrad": "adagrad",
    "Adadelta": "adadelta",
    "Lion": "lion",
}
# Defaults of torch's classes.
TORCH_DEFAULTS: dict[str, dict[str, Any]] = {
    "adam": {"betas": (0.9, 0.999), "epsilon": 1e-8, "amsgrad": False},
    "nadam": {"betas": (0.9, 0.999), "epsilon": 1e-8, "momentum_decay": 0.004},
    "adamax": {"betas": (0.9, 0.999), "epsilon": 1e-8},
    "sgd": {"momentum": 0.0, "nesterov": False},
    "rmsprop": {
        **{"rho": 0.99, "epsilon": 1e-8, "momentum": 0.0, "centered": False},
        "outside": True,  # epsilon is added to the root, not under it
    },
    "adagrad": {"start": 0.0, "epsilon": 1e-10, "outside": True},
    "adadelta": {"rho": 0.9, "epsilon": 1e-6},
    "lion": {"betas": (0.9, 0.99)},
}


def keras_settings(family: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a rule from the configuration of a Keras optimizer."""
    found: dict[str, Any] = {"torch": False}
    if "beta_1" in config:
        found["betas"] = (float(config["beta_1"]), float(config["beta_2"]))
    for theirs, ours in (
        ("epsilon", "epsilon"),
        ("rho", "rho"),
        ("momentum", "momentum"),
        ("nesterov", "nesterov"),
        ("centered", "centered"),
        ("amsgrad", "amsgrad"),
        ("initial_accumulator_value", "start"),
    ):
        if theirs in config:
            found[ours] = config[theirs]
    decay = config.get("weight_decay")
    found["decay"] = ("decoupled", float(decay)) if decay else None
    found["accumulated"] = (int(config.get("gradient_accumulation_steps") or 1), "mean")
    if family == "nadam":
        found["momentum_decay"] = 1.0  # torch's name; Keras has no setting for it
    if family in ("rmsprop", "adagrad"):
        found["outside"] = False
    return {**TORCH_DEFAULTS[family], **found}


def _by_rows(g: np.ndarray, how: str, limit: float) -> np.ndarray:
    parts = np.split(g, 2) if g.ndim == 2 and len(g) == 2 else [g]
    return np.concatenate([clipped({"": part}, how, limit)[""] for part in parts])


def clipped(
    gradients: Mapping[str, np.ndarray], how: str | None, limit: float
) -> dict[str, np.ndarray]:
    """Clips the gradients of a step: "norm" of each, "value", "global"; "norm + 1e-6" and so on.

    `OF_PARTS` takes the norm of each row of a gradient of two rows.
    """
    if how is not None and how.startswith(OF_PARTS):
        each = how.replace(OF_PARTS, "norm")
        return {name: _by_rows(g, each, limit) for name, g in gradients.items()}
    if how == "value":
        return {name: np.clip(g, -limit, limit) for name, g in gradients.items()}
    extra = 1e-6 if how is not None and how.endswith("1e-6") else 0.0
    if how is not None and how.startswith("norm"):
        return {
            name: g * min(1.0, limit / max(float(np.linalg.norm(g)) + extra, 1e-300))
            for name, g in gradients.items()
        }
    if how is not None:
        total = float(np.sqrt(sum(float((g * g).sum()) for g in gradients.values())))
        return {n: g * min(1.0, limit / (total + extra)) for n, g in gradients.items()}
    return dict(gradients)
