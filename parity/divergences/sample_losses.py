"""The loss of each sample of given outputs, and what other targets and weights make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.divergence import NUMBERS, Match
from parity.divergences.output_factors import array_in
from parity.divergences.training import (
    Confident,
    binary_crossentropies,
    confident,
    crossentropies,
)
from parity.traces.trace import keyed

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Array = np.ndarray


def losses_of(found: Confident, y: Array) -> Array | None:
    """Returns the loss of each sample, or step, of given outputs; None if it is not known here.

    Args:
        found: the given outputs.
        y: targets in the place of theirs, of the same shape.
    """
    x, made, name = found.linear, found.prediction, str(found.facts.get("name", ""))
    if found.is_crossentropy:
        labels = y if y.ndim < x.ndim else y.argmax(-1)
        return crossentropies(x, labels.reshape(x.shape[:-1]).astype(int))
    if made is None or y.size != x.size:
        return None
    error = y.reshape(x.shape) - made
    if name == "mean_squared_error":
        return np.asarray((error**2).mean(-1))
    if name == "mean_absolute_error":
        return np.asarray(np.abs(error).mean(-1))
    if found.is_binary:
        return np.asarray(binary_crossentropies(x, y.reshape(x.shape)).mean(-1))
    return None


def weights_of(evidence: Evidence, name: str) -> Array | None:
    """Returns the weights of the samples of an output; None if there are none."""
    own = array_in(evidence.keras, keyed("weight/confident", name))
    return array_in(evidence.keras, "weight/confident") if own is None else own


def mean_of(each: Array, weights: Array | None) -> float:
    """Returns the mean of losses, each times the weight of its sample or step.

    Args:
        each: losses, (N, ...).
        weights: (N, ...) with as many axes or fewer, or with axes of length one behind; None: no
            weights.
    """
    if weights is None:
        return float(each.mean())
    sides = list(weights.shape)
    while len(sides) > each.ndim and sides[-1] == 1:
        sides.pop()
    w = weights.reshape([*sides, *[1] * (each.ndim - len(sides))])
    return float((each * w).mean())


def target_of_another(evidence: Evidence) -> Match | None:
    """Recognises a loss of one output that gets the targets of another one."""
    found = evidence.once(confident)
    for name in _others(evidence, found):
        y = array_in(evidence.keras, f"loss/confident/target/{name}")
        if found is None or y is None or y.shape != found.y.shape:
            continue
        each = losses_of(found, y)
        if each is not None and found.gives(mean_of(each, weights_of(evidence, found.name))):
            fix = f"the loss of {found.name} with its own targets, not with those of {name}"
            return Match(NUMBERS, f"the loss of {found.name} gets the targets of {name}", fix=fix)
    return None


def weights_of_another(evidence: Evidence) -> Match | None:
    """Recognises a loss of one output that gets the weights of another one, or none."""
    found = evidence.once(confident)
    if found is None or not found.name or weights_of(evidence, found.name) is None:
        return None
    each = losses_of(found, found.y)
    if each is None:
        return None
    if found.gives(mean_of(each, None)):
        return Match(NUMBERS, f"the port's loss of {found.name} ignores the weights of the samples")
    for name in _others(evidence, found):
        if found.gives(mean_of(each, weights_of(evidence, name))):
            text = f"the port's loss of {found.name} has the weights of the samples of {name}"
            return Match(NUMBERS, text)
    return None


def _others(evidence: Evidence, found: Confident | None) -> list[str]:
    if found is None or not found.name:
        return []
    names = [str(told["name"]) for told in evidence.keras.facts["outputs"]]
    return [name for name in names if name != found.name]
