"""Update rules of optimizers in NumPy, with a setting for each difference of Keras and PyTorch.

    w, g, settings -> the weights after each step

There is one function per family; the setting `torch` selects torch's equations. They are only for
trials on the numbers of a probe: a rule that gives the port's weights shows what the port does.
Keras rounds some of its constants to float32, even in float64: 1 - 0.999**t differs by 1.3e-5. A
port by hand may do so or not, which the setting `rounded` tells; both are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

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
    num_steps, taken = s.get("accumulated") or (1, "mean")
    total: Any = 0.0
    for step, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        total = total + g
        if step % num_steps:
            yield w
            continue
        t = step // num_steps
        g, total = total / (num_steps if taken == "mean" else 1), 0.0
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
