"""The quantities of a sweep that are compared: for each, a value per seed in both halves.

For each scenario these are the levels of its quantities. For each remedy its effect on the run that
it cures is compared too: a port in which dropout helps less than in Keras differs there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.programs.scenarios import Margins, Scenario
    from parity.sweeps.collapses import Pairs

# Quantity -> (attribute of a Judgement, attribute of Margins).
QUANTITIES = {
    "accuracy": ("val_accuracy", "accuracy"),
    "gap": ("gap", "gap"),
    "epochs": ("epochs_to_plateau", "epochs"),
}

_Value = Callable[[int, int], float | None]  # (seed, half); half is 0 (keras) or 1 (torch)


@dataclass(frozen=True)
class Sample:
    """One comparison: a value for each seed in both halves.

    Attributes:
        scenario: name of the scenario.
        quantity: name of the quantity; see `parity.sweeps.equivalence.EquivalenceRow`.
        against: for an effect, the scenario whose run is cured; else None.
        margin: largest difference that counts as equivalent, in units of the values.
        seeds: n seeds, at least 2, in ascending order.
        keras: n values of the Keras half.
        torch: n values of the torch half.
        num_left_out: number of seeds with both runs that have no value, or whose run collapsed.
        has_diverged: whether a run of the scenario, or of the one that is cured, diverged where
            that is not what it is meant to show.
    """

    scenario: str
    quantity: str
    against: str | None
    margin: float
    seeds: tuple[int, ...]
    keras: tuple[float, ...]
    torch: tuple[float, ...]
    num_left_out: int
    has_diverged: bool


def samples_of(
    pairs: Mapping[str, Pairs],
    trained: Mapping[str, Pairs],
    scenarios: Mapping[str, Scenario],
    margins: Mapping[str, Margins],
) -> list[Sample]:
    """Returns all comparisons for which at least two seeds have a value in both halves.

    Args:
        pairs: verdicts on the runs of each seed, by scenario.
        trained: those of them whose two runs trained; see `parity.sweeps.collapses`.
        scenarios: scenarios by name.
        margins: margins by name of the scenario.
    """
    diverged = {
        name
        for name, seeds in pairs.items()
        if scenarios[name].expected != "diverged"
        and any(run.verdict == "diverged" for pair in seeds.values() for run in pair)
    }
    samples = []
    for name, seeds in trained.items():
        base = scenarios[name].cures
        columns: list[tuple[str, str, str | None, Sequence[int], _Value]] = [
            (quantity, margin, None, list(seeds), _level(seeds, attribute))
            for quantity, (attribute, margin) in QUANTITIES.items()
        ]
        if base is not None and base in trained:
            quantity = "gap" if scenarios[base].expected == "overfit" else "accuracy"
            attribute, margin = QUANTITIES[quantity]
            common = [seed for seed in seeds if seed in trained[base]]
            effect = _difference(_level(seeds, attribute), _level(trained[base], attribute))
            columns.append((f"effect on {quantity}", margin, base, common, effect))
        for quantity, margin, against, numbers, value in columns:
            both = [(seed, value(seed, 0), value(seed, 1)) for seed in numbers]
            known = [(s, a, b) for s, a, b in both if a is not None and b is not None]
            if len(known) < 2:
                continue
            of_both = pairs[name] if against is None else pairs[name].keys() & pairs[against].keys()
            limit = float(getattr(margins[name], margin))
            if margin == "epochs":
                limit *= max(run.num_epochs for pair in seeds.values() for run in pair)
            numbers, keras, torch = zip(*known, strict=True)
            samples.append(
                Sample(
                    scenario=name,
                    quantity=quantity,
                    against=against,
                    margin=limit,
                    seeds=numbers,
                    keras=keras,
                    torch=torch,
                    num_left_out=len(of_both) - len(known),
                    has_diverged=not diverged.isdisjoint({name, against}),
                )
            )
    return samples


def _level(seeds: Pairs, attribute: str) -> _Value:
    return lambda seed, half: getattr(seeds[seed][half], attribute)


def _difference(value: _Value, base: _Value) -> _Value:
    def effect(seed: int, half: int) -> float | None:
        a, b = value(seed, half), base(seed, half)
        return None if a is None or b is None else a - b

    return effect
