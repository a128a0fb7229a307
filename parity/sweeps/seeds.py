"""How many seeds of each scenario have run, are missing, and would be needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parity.files.ranges import AtLeast0

if TYPE_CHECKING:
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence


@dataclass(frozen=True)
class Seeds:
    """The seeds of one scenario.

    Attributes:
        scenario: name of the scenario.
        finished: number of seeds with a result in both halves.
        missing: number of seeds of the sweep that lack a result in one half or in both.
        needed: number of seeds, of all together, with which a port without a difference would be
            shown to be equivalent with a power of 0.8 in what more seeds can decide; by the spread
            of the finished ones. 0: nothing is undecided for want of seeds; None: more than a
            million.
    """

    scenario: str
    finished: AtLeast0
    missing: AtLeast0
    needed: AtLeast0 | None

    @property
    def are_enough(self) -> bool:
        """Whether no seed is missing, and no more are needed."""
        return self.missing == 0 and self.needed == 0


def seeds_of(
    equivalence: SweepEquivalence, failures: Iterable[Mapping[str, Any]]
) -> tuple[Seeds, ...]:
    """Returns the seeds of each scenario: those that were compared first, then the others.

    Args:
        equivalence: what was compared.
        failures: scenario and seed of each run without a result.
    """
    found = [
        Seeds(row.scenario, row.num_seeds, row.num_missing, _needed(equivalence, row.scenario))
        for row in equivalence.verdicts
    ]
    lacking: dict[str, set[int]] = {}
    for row in failures:
        lacking.setdefault(str(row["scenario"]), set()).add(int(row["seed"]))
    known = {row.scenario for row in found}
    # Of these no seed has finished in both halves, and nothing tells how many are needed.
    found += [Seeds(name, 0, len(seeds), 0) for name, seeds in lacking.items() if name not in known]
    return tuple(found)


def _needed(equivalence: SweepEquivalence, scenario: str) -> int | None:
    rows: list[EquivalenceRow | Collapses] = [*equivalence.comparisons, *equivalence.collapses]
    numbers = [row.needed for row in rows if row.scenario == scenario and row.lacks_seeds]
    return None if None in numbers else max((n for n in numbers if n is not None), default=0)
