"""Runs of sweeps made by hand: pairs of values, scenarios, and the comparison of a quantity."""

from parity.behaviour.rules import Judgement
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import Margins, Scenario
from parity.sweeps.rows import Row

HALVES = ("keras", "torch")
# Spread of seeds, the same in both halves: it is no difference of a pair.
SEEDS = [0.90, 0.93, 0.88, 0.95, 0.91, 0.89, 0.94, 0.92]
TINY = [1e-4, -1e-4, 2e-4, -2e-4, 0, 1e-4, -2e-4, 1e-4]
NOISE = [0.03, -0.03, 0.02, -0.02, 0.03, -0.03, 0.02, -0.02]


def made(name="some", *, expected="good_fit", cures=None, margins=None):
    found = Scenario("Made.", RunSpec(scenario=name), expected, cures, margins=margins or Margins())
    return {name: found}


def run(verdict="good_fit", *, num_epochs=20, **numbers):
    return Judgement(verdict, "rule", "because", num_epochs, **numbers)


def row(seed, half, verdict="good_fit", *, scenario="some", **numbers):
    return Row(scenario, seed, half, run(verdict, **numbers), 1.0)


def rows(keras, torch, *, scenario="some", quantity="val_accuracy", verdicts=None):
    """A run in each half for every pair of values, with seeds from 0."""
    values = {"keras": keras, "torch": torch}
    verdicts = verdicts or {half: ["good_fit"] * len(values[half]) for half in HALVES}
    return [
        row(seed, half, verdicts[half][seed], scenario=scenario, **{quantity: value})
        for half in HALVES
        for seed, value in enumerate(values[half])
    ]


def collapsing(keras=0, torch=0, *, n=20, verdict="stagnant", shift=0.0):
    """Runs of which the first of each half collapsed to the accuracy of guessing."""
    levels = {"keras": 0.9, "torch": 0.9 + shift}
    return [
        row(seed, half, verdict, val_accuracy=0.1)
        if seed < count
        else row(seed, half, val_accuracy=levels[half])
        for half, count in (("keras", keras), ("torch", torch))
        for seed in range(n)
    ]


def moved(values, shift, noise=TINY):
    return [value + shift + part for value, part in zip(values, noise, strict=True)]


def only(found, quantity="accuracy", scenario="some"):
    """The one comparison of a quantity."""
    (found,) = [c for c in found.comparisons if (c.scenario, c.quantity) == (scenario, quantity)]
    return found
