"""Terms: how the runs of a user's program are judged in a sweep, as its table says.

A built-in scenario has all of it in the table of scenarios.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from parity.programs.scenarios import STRICT, Margins, Scenario

if TYPE_CHECKING:
    from parity.sweeps.rows import Row


@dataclass(frozen=True)
class Terms:
    """How a program is judged.

    Attributes:
        cures: the program for which this one is the remedy, or None.
        margins: margins of equivalence, unless they are to be strict.
        expected: its verdict; None: it has none.
    """

    cures: str | None = None
    margins: Margins = field(default_factory=Margins)
    expected: str | None = None

    def margins_of(self, margins: str) -> Margins:
        """Returns the margins of a name in MARGINS."""
        return STRICT if margins == "strict" else self.margins


Judged = Scenario | Terms


def expecting(terms: Mapping[str, Terms], rows: Iterable[Row]) -> dict[str, Terms]:
    """Returns terms with the verdict that each program is expected to have.

    A remedy is to be a good fit, as the built-in ones are. Without an accuracy that cannot be
    seen, and nothing is expected.

    Args:
        terms: by name of the program.
        rows: finished runs.
    """
    known = {row.scenario for row in rows if row.judgement.val_accuracy is not None}
    return {
        name: replace(each, expected="good_fit" if each.cures and name in known else None)
        for name, each in terms.items()
    }
