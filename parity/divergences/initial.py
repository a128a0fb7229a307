"""Divergences of initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.divergence import NUMBERS, PLACE, Match, Recogniser

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


def _draws(evidence: Evidence) -> tuple[np.ndarray, np.ndarray] | None:
    key = f"init/{evidence.item.name}"
    if evidence.level.id != "init" or key not in evidence.keras or key not in evidence.port:
        return None
    return evidence.keras[key], evidence.port[key]


def _bias_init(evidence: Evidence) -> Match | None:
    found = _draws(evidence)
    if found is None or not (found[0] == found[0].flat[0]).all():
        return None
    if (found[1] == found[1].flat[0]).all():
        return None  # a different constant
    return Match(NUMBERS, f"{found[0].flat[0]:g} in Keras, drawn in the port")


def _kaiming(evidence: Evidence) -> Match | None:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), torch's default."""
    found = _draws(evidence)
    shape = evidence.keras.facts["weights"].get(evidence.item.name, {}).get("shape", [])
    if found is None or len(shape) < 2 or "_cell/" in evidence.item.name:
        return None
    fans = {int(np.prod(shape[:-1])), int(np.prod(shape[:-2])), shape[-1]}
    largest, size = float(np.abs(found[1]).max()), found[1].size
    for fan in fans:
        bound = fan**-0.5
        is_below = largest <= bound * (1 + 1e-6)
        spread = float(found[1].std()) * 3**0.5
        # The spread of n uniform numbers has a relative error of about 1 / sqrt(n).
        if is_below and abs(spread - bound) < 4 * bound / size**0.5:
            return Match(NUMBERS, f"the port draws from U(-{bound:.3g}, {bound:.3g})")
    return None


def _untruncated(evidence: Evidence) -> Match | None:
    found = _draws(evidence)
    initializer = evidence.keras.facts["initializers"].get(evidence.item.name, {})
    kind = str(initializer.get("class"))
    is_truncated = kind.endswith("Normal") and kind != "RandomNormal"
    if found is None or not is_truncated:
        return None
    theirs, ours = found[0].std(), found[1].std()
    if 0.8 < ours / theirs < 1.25 and np.abs(found[1]).max() > np.abs(found[0]).max():
        return Match(NUMBERS, "as wide as Keras's, but with values beyond its bound")
    return None


def _distribution(evidence: Evidence) -> Match | None:
    found = _draws(evidence)
    if found is None:
        return None
    return Match(PLACE, evidence.item.note)


def _constant(evidence: Evidence) -> Match | None:
    found = _draws(evidence)
    if found is None or not all((part == part[0]).all() for part in found):
        return None
    theirs, ours = (sorted({f"{value:g}" for value in part[0]}) for part in found)
    if len(found[0]) == 1 and max(len(theirs), len(ours)) > 2:
        return None  # drawn once: constants cannot be distinguished from random values
    return Match(NUMBERS, f"{_listed(theirs)} in Keras, {_listed(ours)} in the port")


def _listed(values: list[str]) -> str:
    """Returns the values of a weight, if there are few."""
    return " and ".join(values) if len(values) < 4 else f"{len(values)} values"


RULES: dict[str, Recogniser] = {
    "B2": _bias_init,
    "B1": _kaiming,
    "B3": _untruncated,
    "B9": _constant,
    "B8": _distribution,
}
