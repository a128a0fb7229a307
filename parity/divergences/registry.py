"""The registry itself: every entry by its ID, and the entries that match evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.divergences import (
    gradients,
    initial,
    layers,
    normalization,
    optimizers,
    schedules,
    structure,
    training,
    windows,
)
from parity.divergences.names import id_of
from parity.errors import InputError

if TYPE_CHECKING:
    from parity.divergences.divergence import Divergence, Match
    from parity.divergences.evidence import Evidence

MODULES = (
    *(structure, initial, windows, normalization, layers),
    *(training, gradients, optimizers, schedules),
)
REGISTRY: dict[str, Divergence] = {
    entry.id: entry for module in MODULES for entry in module.ENTRIES
}


def find(name: str) -> Divergence:
    """Returns a divergence by its ID or its slug, in upper or lower case.

    Raises:
        InputError: there is no divergence of that name.
    """
    found = id_of(name)
    if found is None:
        raise InputError(f"unknown divergence {name!r}: expected one of {', '.join(REGISTRY)}")
    return REGISTRY[found]


def recognised(evidence: Evidence) -> list[tuple[Divergence, Match]]:
    """Returns the entries that match the evidence, the most likely first."""
    found = [(entry, _asked(entry, evidence)) for entry in REGISTRY.values()]
    matches = [(entry, match) for entry, match in found if match is not None]
    return sorted(matches, key=lambda pair: -pair[1].confidence)


def _asked(entry: Divergence, evidence: Evidence) -> Match | None:
    """Returns the match of an entry; None if the facts of a bundle are not as expected.

    A bundle comes from outside: its settings can have any type and size.
    """
    try:
        with np.errstate(all="ignore"):  # infinities in a formula never match
            return entry.recognise(evidence)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None
