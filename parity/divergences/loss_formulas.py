"""Divergences of the formula of a loss: another known loss, or a limit for some of the targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from parity.divergences.divergence import NUMBERS, PLACE, Match, Recogniser
from parity.divergences.training import (
    Confident,
    binary_crossentropies,
    confident,
    crossentropies,
    is_near,
)

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

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
    told = _told_gradient(found)
    return Match(PLACE, f"{said} in Keras" + (f"; {told}" if told else ""))


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
    own = np.take_along_axis(x, labels[..., None], axis=-1)
    gaps = np.maximum(1 - own + x, 0)
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
    for told, here, there in (
        ("the port's gradient is zero, Keras's is not", ours, theirs),
        ("Keras's gradient is zero, the port's is not", theirs, ours),
    ):
        if np.abs(here[wrong]).max() <= limit < np.abs(there[wrong]).max(-1).min():
            at = np.flatnonzero(wrong)
            shown = ", ".join(map(str, at[:_MOST_SHOWN])) + (", ..." if len(at) > 6 else "")
            text = f"for {len(at)} of {len(wrong)} targets ({shown}) {told}"
            return Match(NUMBERS, f"{text}; the others agree")
    return None


def _rows(found: Confident) -> tuple[Array, Array] | None:
    """Returns the gradients of both halves, a row for each target."""
    if found.gradient is None or found.slope is None or found.gradient.shape != found.slope.shape:
        return None
    theirs, ours = (g.reshape(-1, g.shape[-1]) for g in (found.slope, found.gradient))
    return (theirs, ours) if np.isfinite(theirs).all() and np.isfinite(ours).all() else None


def _told_gradient(found: Confident) -> str:
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


RULES: dict[str, Recogniser] = {"D20": _limited, "D13": _other_loss}
