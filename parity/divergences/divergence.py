"""Divergence: one known way in which a port differs from Keras, and how it is recognised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parity.divergences.evidence import Evidence

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


@dataclass(frozen=True)
class Divergence:
    """One entry of the registry.

    Attributes:
        id: short name, "F2".
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
    recognise: Callable[[Evidence], Match | None]

    def to_json(self) -> dict[str, Any]:
        """Returns what there is to tell, as plain values."""
        names = ("id", "title", "level", "keras", "torch", "source", "fix")
        return {name: getattr(self, name) for name in names}
