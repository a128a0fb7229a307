"""The quantities of a sweep that are compared: for each, a value per seed in both halves.

For each scenario these are the levels of its quantities. For each remedy its effect on the run that
it cures is compared too: a port in which dropout helps less than in Keras differs there. A program
of the user's that has no accuracy is compared by its losses, whose margins are relative; one with
several outputs by its losses and the accuracy of each output that has one, such as "tags_accuracy".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from parity.behaviour.rules import Judgement
    from parity.programs.scenarios import Judged, Margins
    from parity.sweeps.verdicts import Pairs

# Quantity -> (attribute of a Judgement, attribute of Margins).
QUANTITIES = {
    "accuracy": ("val_accuracy", "accuracy"),
    "gap": ("gap", "gap"),
    "epochs": ("epochs_to_plateau", "epochs"),
    "loss": ("train_loss", "loss"),
    "val_loss": ("val_loss", "loss"),
}
_OF_OUTPUT = "_accuracy"  # behind the name of one of several outputs

_Value = Callable[[int, int], float | None]  # (seed, half); half is 0 (keras) or 1 (torch)


@dataclass(frozen=True)
class Sample:
    """One comparison: a value for each seed in both halves.

    Attributes:
        scenario: name of the scenario.
        quantity: name of the quantity; see `parity.sweeps.equivalence.EquivalenceRow`.
        against: for an effect, the scenario whose run is cured; else None.
        margin: largest difference that counts as equivalent, in units of the scaled values.
        seeds: n seeds, at least 2, in ascending order.
        keras: n values of the Keras half.
        torch: n values of the torch half.
        num_left_out: number of seeds with both runs that have no value, or whose run collapsed.
        has_diverged: whether a run of the scenario, or of the one that is cured, diverged where
            that is not what it is meant to show.
        scale: size of the values of which the margin is a share: of a loss its mean over all runs
            of both halves, which no swap of halves changes; otherwise 1.
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
    scale: float = 1.0

    @property
    def scaled(self) -> tuple[np.ndarray, np.ndarray]:
        """The values of both halves, (n,) each, in the unit of the margin."""
        return np.array(self.keras) / self.scale, np.array(self.torch) / self.scale


def samples_of(
    pairs: Mapping[str, Pairs],
    trained: Mapping[str, Pairs],
    scenarios: Mapping[str, Judged],
    margins: Mapping[str, Margins],
) -> list[Sample]:
    """Returns all comparisons for which at least two seeds have a value in both halves.

    Args:
        pairs: verdicts on the runs of each seed, by scenario.
        trained: those of them whose two runs trained; see `parity.sweeps.verdicts`.
        scenarios: scenarios and programs by name.
        margins: margins by name of the scenario.
    """
    diverged = {
        name
        for name, seeds in pairs.items()
        if scenarios[name].expected != "diverged"
        and any(run.verdict == "diverged" for pair in seeds.values() for run in pair)
    }
    found = []
    for name, seeds in trained.items():
        of_both = set(pairs[name])
        longest = max((run.num_epochs for pair in seeds.values() for run in pair), default=0)
        sample = partial(_sample, name, margins[name], longest)
        for quantity in quantities_of(seeds, scenarios[name]):
            value = _level(seeds, quantity)
            has_diverged = name in diverged
            found.append(sample(quantity, None, list(seeds), of_both, value, value, has_diverged))
        base = scenarios[name].cures
        if base is None or base not in trained:
            continue
        common = [seed for seed in seeds if seed in trained[base]]
        for quantity in _cured(seeds, scenarios[base]):
            cured = _level(trained[base], quantity)
            effect = _difference(_level(seeds, quantity), cured)
            both = of_both & set(pairs[base])
            has_diverged = not diverged.isdisjoint((name, base))
            what = f"effect on {quantity}"
            found.append(sample(what, base, common, both, effect, cured, has_diverged))
    return [sample for sample in found if sample is not None]


def _sample(
    name: str,
    margins: Margins,
    longest: int,
    quantity: str,
    against: str | None,
    seeds: Sequence[int],
    of_both: Set[int],
    value: _Value,
    size: _Value,
    has_diverged: bool,
) -> Sample | None:
    """Returns a comparison; None if fewer than two seeds have a value in both halves.

    Args:
        name: of the scenario.
        margins: of the scenario.
        longest: most epochs of its runs.
        quantity: of the comparison.
        against: for an effect, the scenario that is cured.
        seeds: those whose runs trained.
        of_both: those with both runs.
        value: what is compared.
        size: of a loss, of what its margin is a share.
        has_diverged: whether a run did.
    """
    both = [(seed, value(seed, 0), value(seed, 1)) for seed in seeds]
    known = [(s, a, b) for s, a, b in both if a is not None and b is not None]
    if len(known) < 2:
        return None
    numbers, keras, torch = zip(*known, strict=True)
    sizes = [abs(size(seed, half) or 0.0) for seed in numbers for half in (0, 1)]
    margin, scale = margin_and_scale(quantity, margins, longest, sizes)
    return Sample(
        scenario=name,
        quantity=quantity,
        against=against,
        margin=margin,
        seeds=numbers,
        keras=keras,
        torch=torch,
        num_left_out=len(of_both) - len(known),
        has_diverged=has_diverged,
        scale=scale,
    )


def margin_and_scale(
    quantity: str, margins: Margins, longest: int, sizes: Sequence[float]
) -> tuple[float, float]:
    """Returns the margin of a quantity, and the size of the values of which it is a share.

    Args:
        quantity: of a comparison.
        margins: of the scenario.
        longest: most epochs of its runs, of which the margin of "epochs" is a share.
        sizes: absolute values, whose mean the margin of a loss is a share of.
    """
    name = margin_of(quantity.removeprefix("effect on "))
    margin = float(getattr(margins, name))
    if name == "epochs":
        margin *= longest
    return margin, (sum(sizes) / len(sizes) or 1.0) if name == "loss" else 1.0


def quantities_of(seeds: Pairs, judged: Judged) -> list[str]:
    """Returns what is compared: losses for a program whose halves do not both have an accuracy."""
    if judged.is_own and not _have_accuracy(seeds):
        return ["loss", "val_loss", "epochs", *_of_outputs(seeds)]
    return ["accuracy", "gap", "epochs"]


def _cured(seeds: Pairs, base: Judged) -> list[str]:
    """Returns the quantities on which a remedy has an effect.

    A built-in scenario says by its expected verdict what is to be cured. A program does not.
    """
    if base.is_own:
        return ["gap", "accuracy"] if _have_accuracy(seeds) else ["val_loss"]
    return ["gap" if base.expected == "overfit" else "accuracy"]


def _have_accuracy(seeds: Pairs) -> bool:
    """Whether some seed has a validation accuracy in both halves."""
    return any(all(run.val_accuracy is not None for run in pair) for pair in seeds.values())


def _of_outputs(seeds: Pairs) -> list[str]:
    """Returns the accuracies of several outputs that some seed has in both halves."""
    found = {
        name: None
        for keras, torch in seeds.values()
        for name in keras.output_accuracies or ()
        if name in (torch.output_accuracies or ())
    }
    return [f"{name}{_OF_OUTPUT}" for name in found]


def _level(seeds: Pairs, quantity: str) -> _Value:
    return lambda seed, half: level_of(seeds[seed][half], quantity)


def level_of(run: Judgement, quantity: str) -> float | None:
    """Returns the level of a quantity in a run; None if it has none."""
    if quantity not in QUANTITIES:
        return (run.output_accuracies or {}).get(quantity.removesuffix(_OF_OUTPUT))
    level: float | None = getattr(run, QUANTITIES[quantity][0])
    return level


def margin_of(quantity: str) -> str:
    """Returns the attribute of Margins by which a quantity is judged."""
    return QUANTITIES[quantity][1] if quantity in QUANTITIES else "accuracy"


def output_of(quantity: str) -> str | None:
    """Returns the output whose accuracy a quantity is; None if it is another quantity."""
    is_of_output = quantity not in QUANTITIES and quantity.endswith(_OF_OUTPUT)
    is_of_output = is_of_output and not quantity.startswith("effect on ")
    return quantity.removesuffix(_OF_OUTPUT) if is_of_output else None


def _difference(value: _Value, base: _Value) -> _Value:
    def effect(seed: int, half: int) -> float | None:
        a, b = value(seed, half), base(seed, half)
        return None if a is None or b is None else a - b

    return effect
