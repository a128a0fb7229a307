"""Divergences of initial weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.initial_draws import is_constant
from parity.data.weight_names import MOVING
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.likeness import FITS, fit, fix_of, gain_of, name_of, torch_default
from parity.ladder.distributions import Law, law_of
from parity.ladder.initial_weights import is_drawn_constant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from parity.divergences.evidence import Evidence


class _Drawn:
    """The draws of a weight in both halves."""

    def __init__(self, evidence: Evidence, key: str) -> None:
        self.name: str = evidence.item.name
        self.keras, self.port = evidence.keras[key], evidence.port[key]
        facts = evidence.keras.facts
        self.initializer: Mapping[str, Any] = facts["initializers"].get(self.name, {})
        self.shape: Sequence[int] = facts["weights"].get(self.name, {}).get("shape", [])
        self.is_constant = is_drawn_constant(self.keras, self.initializer, self.shape)
        self.law: Law | None = law_of(self.initializer, self.shape)
        self._kind = evidence.kind

    @property
    def fix(self) -> str:
        """The line of torch that does what Keras does."""
        return fix_of(self.name, self.initializer, self.shape, self.keras[0], self._kind)

    @property
    def said(self) -> str:
        """Keras's initialiser, in words."""
        return f"{self.initializer.get('class', 'another initialiser')} in Keras"


def _draws(evidence: Evidence) -> _Drawn | None:
    key = f"init/{evidence.item.name}"
    if evidence.level.id != "init" or key not in evidence.keras or key not in evidence.port:
        return None
    return _Drawn(evidence, key)


def _bias_init(evidence: Evidence) -> Match | None:
    """Recognises a weight that is constant in Keras and drawn in the port."""
    found = evidence.once(_draws)
    if found is None or not found.is_constant or is_constant(found.port):
        return None
    if found.name.endswith(MOVING):
        return None
    if len(found.port) > 1 and (found.port == found.port[0]).all():
        return None  # many numbers, but not drawn
    values = np.unique(found.keras)
    theirs = f"{values[0]:g}" if len(values) == 1 else _listed(found.keras)
    return Match(NUMBERS, f"{theirs} in Keras, drawn in the port", fix=found.fix)


def _kaiming(evidence: Evidence) -> Match | None:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), torch's default."""
    found = evidence.once(_draws)
    if found is None or found.is_constant or len(found.shape) < 2 or "_cell/" in found.name:
        return None
    for law in torch_default(found.shape, found.name):
        if fit(law, found.port) > FITS:
            text = f"{found.said}; the port draws from {law}"
            return Match(NUMBERS, text, fix=found.fix)
    return None


def _untruncated(evidence: Evidence) -> Match | None:
    found = evidence.once(_draws)
    if found is None or found.law is None or found.law.kind != "truncated":
        return None
    theirs, ours = found.keras.std(), found.port.std()
    if 0.8 < ours / theirs < 1.25 and np.abs(found.port).max() > np.abs(found.keras).max():
        text = f"as wide as Keras's {found.initializer['class']}, but with values beyond its bound"
        return Match(NUMBERS, text, fix=found.fix)
    return None


def _distribution(evidence: Evidence) -> Match | None:
    """Names the initialiser that the port looks like."""
    found = evidence.once(_draws)
    if found is None:
        return None
    is_named = found.is_constant or evidence.once(_kaiming) or evidence.once(_untruncated)
    name = None if is_named else _likeness(found)
    if name is None:
        return Match(PLACE, evidence.item.note, fix=found.fix)
    return Match(SETTINGS, f"{found.said}; the port looks like {name}", fix=found.fix)


def _likeness(found: _Drawn) -> str | None:
    """Returns what the port's draws look like."""
    if found.law is not None and found.law.kind == "orthogonal":
        whole = found.port.shape[1] == math.prod(found.shape)
        gain = gain_of(found.port, found.shape) if whole else None
        if gain is not None:
            return f"Orthogonal with gain {gain:.4g}"
    return name_of(found.port, found.shape, found.law)


def _constant(evidence: Evidence) -> Match | None:
    found = evidence.once(_draws)
    if found is not None and found.name.endswith(MOVING) and not is_constant(found.port):
        told = "moved in the port before training, as a pass in train mode does"
        return Match(
            NUMBERS, f"{_listed(found.keras)} in Keras, {told}", fix="module.eval() before it"
        )
    if found is None or not found.is_constant or not (found.port == found.port[0]).all():
        return None
    if len(found.port) == 1 and len(np.unique(found.port)) > 2:
        return None  # drawn once: constants cannot be distinguished from random values
    text = f"{_listed(found.keras)} in Keras, {_listed(found.port)} in the port"
    return Match(NUMBERS, text, fix=found.fix)


def _listed(draws: np.ndarray) -> str:
    """Returns the values of a weight, if there are few."""
    values = sorted({f"{value:g}" for value in draws[0]})
    return " and ".join(values) if len(values) < 4 else f"{len(values)} values"


RULES: dict[str, Recogniser] = {
    "B2": _bias_init,
    "B1": _kaiming,
    "B3": _untruncated,
    "B9": _constant,
    "B8": _distribution,
}
