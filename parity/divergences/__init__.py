"""The registry of divergences: how ports are known to differ from Keras, each with a signature.

    evidence -> every entry's `recognise` -> the causes, the surest first

An entry is recognised by numbers where that can be: its own formula, applied to what Keras
computed, gives what the port computed.
"""

from __future__ import annotations

import numpy as np

from parity.divergences import layers, optimizers, schedules, structure, training
from parity.divergences.divergence import Divergence, Match
from parity.divergences.evidence import Evidence
from parity.errors import InputError

REGISTRY: dict[str, Divergence] = {
    entry.id: entry
    for module in (structure, layers, training, optimizers, schedules)
    for entry in module.ENTRIES
}


def find(name: str) -> Divergence:
    """Returns a divergence by its ID, in upper or lower case.

    Raises:
        InputError: there is none of that ID.
    """
    by_name = {key.lower(): entry for key, entry in REGISTRY.items()}
    if name.lower() not in by_name:
        raise InputError(f"unknown divergence {name!r}: expected one of {', '.join(REGISTRY)}")
    return by_name[name.lower()]


def recognised(evidence: Evidence) -> list[tuple[Divergence, Match]]:
    """Returns the entries that the evidence speaks for, the surest first."""
    found = [(entry, _asked(entry, evidence)) for entry in REGISTRY.values()]
    matches = [(entry, match) for entry, match in found if match is not None]
    return sorted(matches, key=lambda pair: -pair[1].confidence)


def _asked(entry: Divergence, evidence: Evidence) -> Match | None:
    """What an entry recognises; nothing, where a bundle's facts are not what it expects.

    A bundle comes from outside: settings in it can be of any type and size.
    """
    try:
        with np.errstate(all="ignore"):  # what a formula makes of infinities is no match
            return entry.recognise(evidence)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None
