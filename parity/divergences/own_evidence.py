"""What recognisers of steps of the user's own ask: facts of both halves, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.own_steps import FACT, pairs

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.traces.trace import Trace

NEAR = 1e-6  # relative: constants that Keras keeps in float32 are so far off


def told(trace: Trace) -> Mapping[str, Any]:
    """Returns what a half tells of its steps; a port that raises in the first one tells nothing."""
    nothing = {"logs": [], "called": [], "masks": [], "num_drawn": 0, "num_dropped": 0}
    found: Mapping[str, Any] = trace.facts.get(FACT) or nothing
    return found


def is_close(theirs: np.ndarray, ours: np.ndarray, most: float = NEAR) -> bool:
    """Whether two arrays of one shape are equal, up to a share of the largest value of Keras's."""
    return bool(np.abs(theirs - ours).max(initial=0) <= most * np.abs(theirs).max(initial=0))


def moved_by_both(evidence: Evidence) -> Iterator[tuple[str, list[str]]]:
    """Yields the optimizers of Keras that the port has, too, with the weights that both move.

    Those of weights that are moved for the first time in a later step are one, "an optimizer".
    """
    found = False
    for theirs, ours in pairs(evidence.keras, evidence.port):
        if theirs is not None and ours is not None:
            found = True
            yield theirs.name, sorted(theirs.weights & ours.weights)
    if not found:
        weights = set(evidence.keras.below("gradient")) & set(evidence.port.below("gradient"))
        if weights:
            yield "the optimizer", sorted(weights)


def gradients(trace: Trace, part: str, weights: list[str]) -> dict[str, np.ndarray]:
    """Returns the gradients of weights by their names, as far as a half has them."""
    return {name: trace[key] for name in weights if (key := f"{part}/{name}") in trace}


def flat(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the values of several arrays in a row."""
    return np.concatenate([each.reshape(-1) for each in arrays.values()] or [np.zeros(0)])
