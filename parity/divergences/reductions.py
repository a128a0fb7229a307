"""Divergences of what a loss is divided by: samples, outputs, or some of the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.training import Confident, confident

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

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


RULES: dict[str, Recogniser] = {"D12": _reduction}
