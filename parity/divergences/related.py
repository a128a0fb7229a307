"""Divergences told by how the port's values are related to Keras's at the same place.

Entries in another order, values of another step, sums for means, factors and offsets. What is known
of other differences is added to the place that they are told with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32
from parity.divergences.relations import (
    COUNTED,
    CUT,
    FACT,
    PERMUTED,
    SHIFTED,
    Relation,
    relations,
)

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

_MOST_FACTS = 2


def related(kind: str) -> Recogniser:
    """Returns the recogniser of a relation that gives all of the port's values."""

    def recognise(evidence: Evidence) -> Match | None:
        found = next(iter(evidence.once(_found)), None)
        return Match(NUMBERS, found.text) if found is not None and found.kind == kind else None

    return recognise


def with_facts(evidence: Evidence, text: str) -> str:
    """Returns a text, and what is known of the difference at its place."""
    facts = [each.text for each in evidence.once(_found) if each.kind == FACT]
    return "; ".join([text, *facts[:_MOST_FACTS]])


def _found(evidence: Evidence) -> list[Relation]:
    close = max(evidence.close, OF_FLOAT32)
    pairs = list(evidence.compared())
    key = f"forward/{evidence.mode}/output"
    if evidence.is_output and key in evidence.keras and key in evidence.port:
        pairs.append((evidence.keras[key], evidence.port[key]))
    for theirs, ours in pairs:
        if found := list(relations(theirs, ours, close)):
            return found
    return []


RULES: dict[str, Recogniser] = {
    "A40": related(COUNTED),
    "A41": related(PERMUTED),
    "A42": related(SHIFTED),
    "A45": related(CUT),
}
