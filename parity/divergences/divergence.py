"""Divergence: one known way in which a port differs from Keras, and how it is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from parity.divergences.evidence import Evidence
from parity.divergences.names import SLUGS

# How sure a cause is. Its own formula gives the port's very numbers; the settings of the port say
# so, and its layer is where the numbers part; the place alone speaks for it.
NUMBERS, SETTINGS, PLACE = 0.99, 0.8, 0.3


@dataclass(frozen=True)
class Match:
    """That a divergence was recognised.

    Attributes:
        confidence: in (0, 1].
        detail: what was seen: "epsilon 1e-05 gives the port's numbers".
    """

    confidence: float
    detail: str = ""


Recogniser = Callable[[Evidence], Match | None]


def among(name: str, search: Callable[[Evidence], Iterable[tuple[str, str]]]) -> Recogniser:
    """Returns the recogniser of an entry that a search may find: it gives (ID, what was seen)."""

    def recognise(evidence: Evidence) -> Match | None:
        for number, (found, text) in enumerate(search(evidence)):
            if found == name:
                return Match(NUMBERS - 0.05 * number, text)
        return None

    return recognise


@dataclass(frozen=True)
class Divergence:
    """One entry of the registry.

    Attributes:
        id: short name, "F2"; `slug`, a readable one, stands in `names`.
        title: what differs, a phrase.
        level: of the ladder, at which it is first visible.
        keras: Keras's formula or default.
        torch: what the port does instead.
        source: where Keras's rule stands.
        fix: a line of code, or what to do.
        recognise: returns a Match, or None.
    """

    id: str
    title: str
    level: str
    keras: str
    torch: str
    source: str
    fix: str
    recognise: Recogniser

    @property
    def slug(self) -> str:
        """A readable name: "adam-epsilon-placement"."""
        return SLUGS[self.id]

    def to_json(self) -> dict[str, Any]:
        """Returns what there is to tell, as plain values."""
        names = ("id", "slug", "title", "level", "keras", "torch", "source", "fix")
        return {name: getattr(self, name) for name in names}
