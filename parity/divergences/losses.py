"""Divergences of losses and metrics: form, formula, threshold, and what a loss is divided by."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy import special

from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.training import (
    Confident,
    binary_crossentropies,
    confident,
    crossentropies,
    is_near,
    mean_of,
    target_of_another,
    weights_of,
)
from parity.ladder.items import NAME, metric_of

# --- Divergences of what a loss is divided by: samples, outputs, or some of the targets -----------


_MOST_CLASSES = 100  # whose targets may be left out


def _reduction(evidence: Evidence) -> Match | None:
    found = evidence.once(confident)
    if found is None:
        return None
    outputs = found.linear.reshape(len(found.linear), -1).shape[1]
    for number, name in (
        (len(found.linear), "the samples"),
        (outputs, "the outputs"),
        (len(found.linear) * outputs, "samples and outputs"),
    ):
        for factor, text in ((number, f"a sum over {name}"), (1 / number, f"a mean over {name}")):
            if number > 1 and found.gives(found.value * factor):
                return Match(NUMBERS, f"the port takes {text}: {factor:g} times Keras's loss")
    return _of_some_targets(found)


def _of_some_targets(found: Confident) -> Match | None:
    """Recognises a loss that is divided by all targets, where Keras leaves some of them out.

    Or the other way round. They are left out by their value, as the class of padding is.
    """
    values, counts = np.unique(found.y, return_counts=True)
    if found.y.ndim < 2 or not 1 < len(values) <= _MOST_CLASSES:
        return None
    for value, count in zip(values, counts, strict=True):
        share = 1 - count / found.y.size
        some = f"by those that are not {value:g}"
        if found.gives(found.value * share):
            return Match(NUMBERS, f"the port divides by all targets, Keras {some}")
        if found.gives(found.value / share):
            return Match(NUMBERS, f"the port divides {some}, Keras by all targets")
    return None


RULES_OF_REDUCTIONS: dict[str, Recogniser] = {"D12": _reduction}


# --------------------------------------------------------------------------------------------------
#
# Divergences of the formula of a loss: another known loss, or a limit for some of the targets.


Array = np.ndarray
_SAME = 1e-6  # relative: TensorFlow keeps constants of losses in float32
_MOST_SHOWN = 6


def _other_loss(evidence: Evidence) -> Match | None:
    found = evidence.once(confident)
    if found is None:
        return None
    said = str(found.facts["name"])
    for name, value in _known_losses(found):
        if np.isfinite(value) and not is_near(found.value, value) and found.gives(value):
            return Match(NUMBERS, f"{said} in Keras, {name} in the port")
    relation = _gradient_relation(found)
    return Match(PLACE, f"{said} in Keras" + (f"; {relation}" if relation else ""))


def _known_losses(found: Confident) -> Iterator[tuple[str, float]]:
    """Yields losses of the given outputs by their names, of probabilities and of logits."""
    x, p = found.linear, found.prediction
    if found.y.size == x.size:
        y = found.y.reshape(x.shape)
        for made in (x,) if p is None else (p, x):
            for name, values in _of_values(y, made):
                yield name, float(values.mean())
                sums = values.reshape(len(values), -1).sum(1)
                yield f"{name} (summed over the outputs)", float(sums.mean())
            yield "the root of mean_squared_error", float(np.sqrt(((y - made) ** 2).mean()))
        yield "binary_crossentropy", float(binary_crossentropies(x, y).mean())
        yield from _of_distributions(y, x, p)
    if x.ndim > 1 and found.labels.shape == x.shape[:-1]:
        labels = found.labels.astype(int)
        yield "categorical_crossentropy", float(crossentropies(x, labels).mean())
        yield from _of_margins(x, labels)


def _of_values(y: Array, made: Array) -> Iterator[tuple[str, Array]]:
    """Yields losses with a term for each output."""
    error = y - made
    size = np.abs(error)
    yield "mean_squared_error", error**2
    yield "mean_absolute_error", size
    yield "half of mean_squared_error", error**2 / 2
    yield "huber", np.where(size <= 1, error**2 / 2, size - 0.5)
    yield "log_cosh", size + np.log1p(np.exp(-2 * size)) - np.log(2)
    yield "hinge", np.maximum(1 - (2 * y - 1) * made, 0)
    yield "squared_hinge", np.maximum(1 - (2 * y - 1) * made, 0) ** 2
    yield "hinge of the targets as they are", np.maximum(1 - y * made, 0)
    yield "nn.SoftMarginLoss", np.log1p(np.exp(-y * made))
    yield "poisson", made - y * np.log(np.maximum(made, 0) + 1e-7)
    yield "nn.PoissonNLLLoss", np.exp(made) - y * made
    with np.errstate(all="ignore"):
        logs = np.log1p(np.maximum(y, 0)) - np.log1p(np.maximum(made, 0))
        yield "mean_squared_logarithmic_error", logs**2
        share = size / np.maximum(np.abs(y), 1e-7)
        yield "mean_absolute_percentage_error", 100 * share
        yield "mean_absolute_percentage_error, as a share", share


def _of_distributions(y: Array, x: Array, p: Array | None) -> Iterator[tuple[str, float]]:
    """Yields losses of the whole last axis."""
    for made in (x,) if p is None else (p, x):
        lengths = np.linalg.norm(y, axis=-1) * np.linalg.norm(made, axis=-1)
        likeness = (y * made).sum(-1) / np.maximum(lengths, 1e-12)
        yield "cosine_similarity", -float(likeness.mean())
        yield "1 - cosine_similarity", 1 - float(likeness.mean())
    logs = special.log_softmax(x, axis=-1)
    yield "categorical_crossentropy", -float((y * logs).sum(-1).mean())
    terms = special.xlogy(y, y) - y * logs
    yield "kl_divergence", float(terms.sum(-1).mean())
    yield "nn.KLDivLoss, a mean over the outputs", float(terms.mean())


def _of_margins(x: Array, labels: Array) -> Iterator[tuple[str, float]]:
    """Yields losses of the margin between the score of a class and the others."""
    score = np.take_along_axis(x, labels[..., None], axis=-1)
    gaps = np.maximum(1 - score + x, 0)
    np.put_along_axis(gaps, labels[..., None], 0.0, axis=-1)
    classes = x.shape[-1]
    yield "categorical_hinge", float(gaps.max(-1).mean())
    yield "nn.MultiMarginLoss, a mean of all margins", float((gaps.sum(-1) / classes).mean())
    yield "nn.MultiMarginLoss(p=2)", float(((gaps**2).sum(-1) / classes).mean())
    yield "a sum of all margins", float(gaps.sum(-1).mean())


# --- the gradient of each target -----------------------------------------------------------------


def _limited(evidence: Evidence) -> Match | None:
    """Recognises targets whose gradient is zero in one half alone; that of the others agrees."""
    found = evidence.once(confident)
    rows = None if found is None else _rows(found)
    if rows is None:
        return None
    theirs, ours = rows
    limit = _SAME * float(np.abs(theirs).max())
    wrong = np.abs(theirs - ours).max(-1) > limit
    if not wrong.any() or wrong.all():
        return None
    for message, here, there in (
        ("the port's gradient is zero, Keras's is not", ours, theirs),
        ("Keras's gradient is zero, the port's is not", theirs, ours),
    ):
        if np.abs(here[wrong]).max() <= limit < np.abs(there[wrong]).max(-1).min():
            at = np.flatnonzero(wrong)
            shown = ", ".join(map(str, at[:_MOST_SHOWN])) + (", ..." if len(at) > 6 else "")
            text = f"for {len(at)} of {len(wrong)} targets ({shown}) {message}"
            return Match(NUMBERS, f"{text}; the others agree")
    return None


def _rows(found: Confident) -> tuple[Array, Array] | None:
    """Returns the gradients of both halves, a row for each target."""
    if found.gradient is None or found.slope is None or found.gradient.shape != found.slope.shape:
        return None
    theirs, ours = (g.reshape(-1, g.shape[-1]) for g in (found.slope, found.gradient))
    return (theirs, ours) if np.isfinite(theirs).all() and np.isfinite(ours).all() else None


def _gradient_relation(found: Confident) -> str:
    """Returns in words how the two gradients are related; "" if nothing is known."""
    rows = _rows(found)
    if rows is None or not rows[0].any():
        return ""
    theirs, ours = rows
    factor = float((theirs * ours).sum() / (theirs * theirs).sum())
    limit = _SAME * float(np.abs(theirs).max())
    if np.abs(factor * theirs - ours).max() <= limit:
        same = abs(factor - 1) <= _SAME
        return "the gradients agree" if same else f"its gradient is {factor:.6g} times Keras's"
    wrong = np.abs(theirs - ours).max(-1) > limit
    if not wrong.all():
        return f"its gradient differs for {int(wrong.sum())} of {len(wrong)} targets"
    if (np.sign(theirs) == np.sign(ours)).all():
        return "its gradient has Keras's signs"
    return ""


RULES_OF_LOSS_FORMULAS: dict[str, Recogniser] = {"D20": _limited, "D13": _other_loss}


# --- Divergences of the form of a loss: its threshold, and targets that it cannot take ------------


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
        text = f"for targets {form}: {item.torch}"
        return Match(NUMBERS, text) if item.name == "loss raises" else None
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


# --- Divergences of metrics: what the torch half found to give the port's numbers -----------------


def _trial(evidence: Evidence) -> Mapping[str, Any] | None:
    """Returns what was found about the metric that differs; None at other levels."""
    if evidence.level.id != "metrics" or evidence.item.name.startswith(NAME):
        return None
    trials = evidence.port.facts.get("metric_trials") or {}
    found: Mapping[str, Any] = trials.get(metric_of(evidence.item.name)) or {}
    return found


def _definition(evidence: Evidence) -> Match | None:
    found = _trial(evidence)
    if found is None:
        return None
    fix = str(found.get("definition") or "")
    if found.get("id") == "I1":
        return Match(NUMBERS, str(found["told"]), fix=fix)
    return Match(PLACE, fix=fix)


def _batch_means(evidence: Evidence) -> Match | None:
    found = _trial(evidence)
    if not found or found.get("id") != "I2":
        return None
    text = f"{found['told']}, as if the smaller last batch were as large as the others"
    fix = str(found.get("definition") or "")
    return Match(NUMBERS, text, fix=f"count each batch by its samples: {fix}" if fix else "")


def _name(evidence: Evidence) -> Match | None:
    item = evidence.item
    if evidence.level.id != "metrics" or not item.name.startswith(NAME):
        return None
    return Match(SETTINGS, f"{item.keras} in Keras's history, {item.torch} in the port's")


RULES_OF_METRICS: dict[str, Recogniser] = {"I1": _definition, "I2": _batch_means, "I6": _name}
