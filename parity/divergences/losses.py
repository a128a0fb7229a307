"""Divergences of the form of a loss: its threshold, and targets that it cannot take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from scipy import special

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.sample_losses import mean_of, target_of_another, weights_of
from parity.divergences.training import confident, crossentropies

_DELTAS = sorted({1.0, *(n / 20 for n in range(1, 101)), 10.0})
_SEVERAL = "the loss returned several numbers"  # of the torch half
_MAX_AXES = 5  # 24 orders


def _threshold(evidence: Evidence) -> Match | None:
    """Recognises Huber with another delta, or torch's smooth L1, which divides by it."""
    found = evidence.once(confident)
    if found is None or not found.facts["name"].startswith("huber") or found.prediction is None:
        return None
    error = np.abs(found.y.reshape(found.prediction.shape) - found.prediction)
    weights = weights_of(evidence, found.name)
    # Keras does not tell its delta.
    said = next(
        (n for n in _DELTAS if abs(mean_of(_huber(error, n), weights) - found.value) < 1e-6), None
    )
    if said is None:
        return None
    for text, values in _forms(error, said):
        if found.gives(mean_of(values, weights)):
            return Match(NUMBERS, f"Huber(delta={said:g}) in Keras, {text} in the port")
    return None


def _huber(error: np.ndarray, delta: float) -> np.ndarray:
    return np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))


def _forms(error: np.ndarray, said: float) -> Iterator[tuple[str, np.ndarray]]:
    for number in _DELTAS:
        if number != said:
            yield f"delta={number:g}", _huber(error, number)
        if number != 1.0:
            yield f"SmoothL1Loss(beta={number:g})", _huber(error, number) / number
    yield "half of the squared error", error**2 / 2
    yield "the squared error", error**2
    yield "the absolute error", error


def _several(evidence: Evidence) -> Match | None:
    item = evidence.item
    if item.name != "loss raises" or _SEVERAL not in str(item.torch):
        return None
    return Match(NUMBERS, str(item.torch).partition(": ")[2])


def _raises(evidence: Evidence) -> Match | None:
    item = evidence.item
    if _SEVERAL in str(item.torch):
        return None
    if item.name in ("loss raises", "gradient raises", "trajectory raises"):
        keras = evidence.keras
        keys = [f"target/probe/{each['name']}" for each in keras.facts.get("outputs") or []]
        targets = [keras[key] for key in keys or ["target/probe"]]
        form = ", ".join(f"{y.dtype} {y.shape}" for y in targets)
        told = f"for targets {form}: {item.torch}"
        return Match(NUMBERS, told) if item.name == "loss raises" else None
    return None


def missing_activation(evidence: Evidence) -> Match | None:
    """Recognises a port whose loss takes outputs without Keras's last activation."""
    found = evidence.once(confident)
    if found is None or found.activation is None or found.prediction is None:
        return None
    y, x = found.y, found.linear
    if y.size != x.size or evidence.port.facts["output_form"] != "linear":
        return None
    y = y.reshape(x.shape)
    values = {
        "mean_squared_error": (y - x) ** 2,
        "mean_absolute_error": np.abs(y - x),
        "huber": np.where(np.abs(y - x) <= 1, (y - x) ** 2 / 2, np.abs(y - x) - 0.5),
        "poisson": x - y * np.log(np.maximum(x, 0) + 1e-7),
    }
    for name, value in values.items():
        if found.facts["name"].startswith(name) and found.gives(float(value.mean())):
            return Match(NUMBERS, f"the port has no {found.activation} at its output")
    return None


def _no_logarithm(evidence: Evidence) -> Match | None:
    found = evidence.once(confident)
    if found is None or not found.is_crossentropy or found.activation != "softmax":
        return None
    p = special.softmax(found.linear, axis=-1)
    picked = np.take_along_axis(p, found.labels[..., None], axis=-1)
    if found.gives(-float(picked.mean())):
        return Match(NUMBERS, "the port takes -p, Keras -log(p)")
    return None


def _other_target(evidence: Evidence) -> Match | None:
    """Recognises targets with their axes in a different order."""
    found = evidence.once(confident)
    if found is None or found.prediction is None:
        return None
    if found.is_crossentropy and found.labels.ndim > 1:
        for axes in itertools.permutations(range(1, found.labels.ndim)):
            turned = found.labels.transpose(0, *axes).reshape(found.labels.shape)
            is_same = axes == tuple(range(1, found.labels.ndim))
            if not is_same and found.gives(float(crossentropies(found.linear, turned).mean())):
                return Match(NUMBERS, f"the labels are turned, with their axes as {axes}")
    if found.y.size != found.linear.size:
        return None
    p, y = found.prediction, found.y.reshape(found.linear.shape)
    if not 3 <= y.ndim <= _MAX_AXES:
        return None
    for text, other in _orders(y):
        for value in ((other - p) ** 2, np.abs(other - p)):
            if found.gives(float(value.mean())):
                return Match(NUMBERS, f"the targets are {text}")
    return None


def _orders(y: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yields targets that were reshaped instead of permuted, or with two axes exchanged."""
    first = y.reshape(y.shape[0], y.shape[-1], *y.shape[1:-1])
    yield "reshaped to channels first, not permuted", np.moveaxis(first, 1, -1)
    for axes in itertools.permutations(range(1, y.ndim)):
        if axes != tuple(range(1, y.ndim)):
            turned = y.transpose(0, *axes)
            yield f"turned, with their axes as {axes}", turned.reshape(y.shape)


RULES: dict[str, Recogniser] = {
    "D14": _threshold,
    "D21": _several,
    "D15": _raises,
    "D16": lambda evidence: _other_target(evidence) or target_of_another(evidence),
    "D17": _no_logarithm,
}
