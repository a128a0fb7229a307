"""Divergences of outputs: two in each other's place, and another activation at the end."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

_KEY = "forward/eval/output"


def _swapped(evidence: Evidence) -> Match | None:
    """Recognises an output that the port returns under the name of another one."""
    parts = _columns(evidence)
    if evidence.level.id != "forward" or not parts or _KEY not in evidence.port:
        return None
    theirs, ours = evidence.keras[_KEY], evidence.port[_KEY]
    for (name, own), (other, place) in itertools.permutations(parts.items(), 2):
        given = ours[:, place]
        for made in (given, special.softmax(given, -1), special.expit(given)):
            if made.shape == theirs[:, own].shape and evidence.is_close(theirs[:, own], made):
                return Match(NUMBERS, f"Keras's output {name} is the port's output {other}")
    return None


def _columns(evidence: Evidence) -> dict[str, slice]:
    """Returns where each of several outputs stands beside the others."""
    told = evidence.keras.facts.get("outputs") or []
    ends = np.cumsum([int(np.prod(each["shape"])) for each in told])
    return {
        str(each["name"]): slice(int(end) - int(np.prod(each["shape"])), int(end))
        for each, end in zip(told, ends, strict=True)
    }


def activated_again(evidence: Evidence) -> Match | None:
    """Recognises an output to which the port applies one more activation, or not Keras's last."""
    if not evidence.is_output or _KEY not in evidence.port:
        return None
    told = {str(each["name"]): each for each in evidence.keras.facts.get("outputs") or []}
    parts = _columns(evidence) or {"": slice(None)}
    for name, part in parts.items():
        if evidence.port[_KEY].ndim != evidence.keras[_KEY].ndim:
            return None
        shape = (-1, *told[name]["shape"]) if name else evidence.keras[_KEY].shape
        theirs = evidence.keras[_KEY][:, part].reshape(shape)
        ours = evidence.port[_KEY][:, part]
        if ours.size != theirs.size:
            return None
        ours = ours.reshape(shape) if name or ours.shape == shape else np.moveaxis(ours, 1, -1)
        if evidence.is_close(theirs, ours):
            continue
        after = told[name]["activation"] if name else evidence.keras.facts.get("output_activation")
        where = f"output {name}" if name else "the output"
        missing = arithmetic.ACTIVATIONS.get(str(after))
        if missing is not None and evidence.is_close(missing(ours), theirs):
            return Match(NUMBERS, f"{where}: {after} in Keras, linear in the port")
        for function, apply in arithmetic.ACTIVATIONS.items():
            if name and function != "linear" and evidence.is_close(apply(theirs), ours):
                text = f"{where}: {after or 'linear'} in Keras, then {function} in the port"
                return Match(NUMBERS, text)
    return None


RULES: dict[str, Recogniser] = {"A33": _swapped}
