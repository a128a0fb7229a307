"""Divergence: one known difference of a port from Keras, and how it is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parity.divergences.evidence import Evidence
from parity.divergences.names import SLUGS

# Confidence of a cause: its formula gives the port's exact numbers; the port's settings show it,
# and the numbers differ first at its layer; only the place suggests it.
NUMBERS, SETTINGS, PLACE = 0.99, 0.8, 0.3


@dataclass(frozen=True)
class Match:
    """A recognised divergence.

    Attributes:
        confidence: in (0, 1].
        detail: the evidence: "epsilon 1e-05 gives the port's numbers".
        is_part: whether the numbers are explained by this and the other parts together.
        fix: a line of code for these numbers, instead of the general one of the entry; "" if there
            is none.
    """

    confidence: float
    detail: str = ""
    is_part: bool = False
    fix: str = ""


Recogniser = Callable[[Evidence], Match | None]


def found_by(name: str, search: Callable[[Evidence], Sequence[tuple[str, str]]]) -> Recogniser:
    """Returns the recogniser of an entry that a search may find as (ID, evidence).

    The first that a search finds of it explains the numbers alone. `among` joins what it finds.
    """

    def recognise(evidence: Evidence) -> Match | None:
        texts = [text for found, text in evidence.once(search) if found == name]
        return Match(NUMBERS, texts[0]) if texts else None

    return recognise


def among(name: str, search: Callable[[Evidence], Iterable[tuple[str, str]]]) -> Recogniser:
    """Returns the recogniser of an entry that a search may find as (ID, evidence).

    What a search finds explains the numbers together: each is a divergence of its own.
    """

    def recognise(evidence: Evidence) -> Match | None:
        texts = [text for found, text in search(evidence) if found == name]
        return Match(NUMBERS, "; ".join(texts), is_part=True) if texts else None

    return recognise


@dataclass(frozen=True)
class Divergence:
    """One entry of the registry.

    Attributes:
        id: short name, "F2"; `names` has a readable one, the slug.
        title: the difference, as a phrase.
        level: first level of the ladder at which it is visible.
        keras: Keras's formula or default.
        torch: what the port does instead.
        source: where Keras defines its rule.
        fix: a line of code, or what to do.
        recognise: returns a Match, or None.
        is_mechanical: whether the fix is a change that the torch half tries on the probe.
    """

    id: str
    title: str
    level: str
    keras: str
    torch: str
    source: str
    fix: str
    recognise: Recogniser
    is_mechanical: bool = False

    @property
    def slug(self) -> str:
        """A readable name: "adam-epsilon-placement"."""
        return SLUGS[self.id]

    def to_json(self) -> dict[str, Any]:
        """Returns the entry as plain values."""
        names = ("id", "slug", "title", "level", "keras", "torch", "source", "fix")
        return {name: getattr(self, name) for name in names}
