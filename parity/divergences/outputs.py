"""Divergences of several outputs: two of them in each other's place."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from parity.divergences.divergence import NUMBERS, Match, Recogniser

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

_KEY = "forward/eval/output"


def _swapped(evidence: Evidence) -> Match | None:
    """Recognises an output that the port returns under the name of another one."""
    told = evidence.keras.facts.get("outputs")
    if evidence.level.id != "forward" or not told or _KEY not in evidence.port:
        return None
    ends = np.cumsum([int(np.prod(each["shape"])) for each in told])
    parts = {
        str(each["name"]): slice(end - int(np.prod(each["shape"])), end)
        for each, end in zip(told, ends, strict=True)
    }
    theirs, ours = evidence.keras[_KEY], evidence.port[_KEY]
    for (name, own), (other, place) in itertools.permutations(parts.items(), 2):
        given = ours[:, place]
        for made in (given, special.softmax(given, -1), special.expit(given)):
            if made.shape == theirs[:, own].shape and evidence.is_close(theirs[:, own], made):
                return Match(NUMBERS, f"Keras's output {name} is the port's output {other}")
    return None


RULES: dict[str, Recogniser] = {"A33": _swapped}
