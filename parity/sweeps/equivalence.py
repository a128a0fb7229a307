"""Equivalence: whether the two halves behave alike over the seeds of a sweep.

Runs of one seed are pairs, because both halves train on the same split. For each scenario the
levels of its quantities are compared. For each remedy its effect on the run that it cures is
compared too: a port in which dropout helps less than in Keras differs there.

In mode "independent" the margins decide: a difference within them does not count. In mode "seeded"
the two halves are the same run except for rounding, and rounding has no preferred sign. There, any
mean difference counts that the noise of the pairs does not explain.

There are many comparisons, and one of many may look different by chance. Therefore the p values of
a difference are corrected together (Holm 1979). Equivalence needs no correction: a sweep passes
only if every comparison is equivalent, so it passes by mistake only if all of them are wrong
(intersection-union test; Berger 1982).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from parity.behaviour.judgement import Judgement
from parity.stats import ALPHA, Equivalence, decide, equivalence_of_pairs, holm

if TYPE_CHECKING:
    from parity.programs.scenarios import Scenario
    from parity.sweeps.rows import Row

Verdict = Literal["pass", "fail", "inconclusive"]

# Quantity -> (attribute of a Judgement, attribute of Margins).
QUANTITIES = {
    "accuracy": ("val_accuracy", "accuracy"),
    "gap": ("gap", "gap"),
    "epochs": ("epochs_to_plateau", "epochs"),
}


@dataclass(frozen=True)
class EquivalenceRow:
    """One quantity of one scenario in the two halves.

    Attributes:
        scenario: name of the scenario.
        quantity: "accuracy" (level of validation), "gap" (training - validation), "epochs" (to the
            plateau); for a remedy also "effect on gap" or "effect on accuracy".
        against: for an effect, the scenario whose run is cured; else None.
        keras: mean over the Keras runs.
        torch: mean over the torch runs.
        equivalence: test of the pairs, with p, interval, power and the number of seeds needed.
        p_different: corrected p value of a difference beyond the margin; in mode "seeded", of any
            difference.
        verdict: "equivalent", "different" or "inconclusive".
    """

    scenario: str
    quantity: str
    against: str | None
    keras: float
    torch: float
    equivalence: Equivalence
    p_different: float
    verdict: str


@dataclass(frozen=True)
class ScenarioVerdicts:
    """The verdicts on the runs of one scenario.

    Attributes:
        scenario: name of the scenario.
        expected: its verdict in the table of scenarios, or None.
        num_seeds: number of seeds with a result in both halves.
        keras: number of Keras runs by verdict.
        torch: number of torch runs by verdict.
        num_same: number of seeds whose two runs have the same verdict.
    """

    scenario: str
    expected: str | None
    num_seeds: int
    keras: dict[str, int]
    torch: dict[str, int]
    num_same: int

    @property
    def agrees(self) -> bool:
        """Whether the most frequent verdict is the same in both halves."""
        return self.most(self.keras) == self.most(self.torch)

    @staticmethod
    def most(counts: Mapping[str, int]) -> str:
        """Returns the most frequent verdict; ties go to the first by name."""
        return min(counts, key=lambda verdict: (-counts[verdict], verdict))


@dataclass(frozen=True)
class SweepEquivalence:
    """Whether the halves behave alike.

    Attributes:
        verdict: "fail" if verdicts disagree or a difference is shown; "pass" if everything is shown
            to be equivalent; otherwise "inconclusive".
        verdicts: one row for each scenario.
        comparisons: one row for each quantity.
    """

    verdict: Verdict
    verdicts: tuple[ScenarioVerdicts, ...]
    comparisons: tuple[EquivalenceRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns plain values by name."""
        return {
            "verdict": self.verdict,
            "scenarios": [{**asdict(row), "agrees": row.agrees} for row in self.verdicts],
            "comparisons": [asdict(row) for row in self.comparisons],
        }


def compare(
    rows: Sequence[Row],
    scenarios: Mapping[str, Scenario],
    *,
    mode: str = "independent",
    alpha: float = ALPHA,
) -> SweepEquivalence:
    """Compares the halves of a sweep.

    Args:
        rows: finished runs; a seed counts if both halves have run it.
        scenarios: scenarios by name.
        mode: mode of the runs, "seeded" or "independent".
        alpha: level of all tests together.
    """
    runs: dict[str, dict[int, dict[str, Judgement]]] = {}
    for row in rows:
        runs.setdefault(row.scenario, {}).setdefault(row.seed, {})[row.half] = row.judgement
    pairs = {
        name: {
            seed: (halves["keras"], halves["torch"])
            for seed, halves in sorted(seeds.items())
            if len(halves) == 2
        }
        for name, seeds in runs.items()
    }
    verdicts = tuple(
        _verdicts(name, scenarios[name].expected, list(seeds.values()))
        for name, seeds in pairs.items()
        if seeds
    )
    comparisons = _corrected(_samples(pairs, scenarios), mode, alpha)
    return SweepEquivalence(_verdict(verdicts, comparisons), verdicts, comparisons)


def _verdict(
    verdicts: Sequence[ScenarioVerdicts], comparisons: Sequence[EquivalenceRow]
) -> Verdict:
    found = {comparison.verdict for comparison in comparisons}
    # One seed may fall on the other side of a threshold, but not most runs of a scenario.
    if "different" in found or any(not row.agrees and row.num_seeds > 2 for row in verdicts):
        return "fail"
    has_all = all(row.agrees for row in verdicts) and found == {"equivalent"}
    return "pass" if has_all else "inconclusive"


def _verdicts(
    name: str, expected: str | None, pairs: Sequence[tuple[Judgement, Judgement]]
) -> ScenarioVerdicts:
    return ScenarioVerdicts(
        scenario=name,
        expected=expected,
        num_seeds=len(pairs),
        keras=dict(Counter(keras.verdict for keras, _ in pairs)),
        torch=dict(Counter(torch.verdict for _, torch in pairs)),
        num_same=sum(keras.verdict == torch.verdict for keras, torch in pairs),
    )


_Pairs = Mapping[str, Mapping[int, tuple[Judgement, Judgement]]]
_Value = Callable[[int, int], float | None]  # (seed, half); half is 0 (keras) or 1 (torch)


@dataclass(frozen=True)
class _Sample:
    """One comparison: a value for each seed in both halves."""

    scenario: str
    quantity: str
    against: str | None
    margin: float
    keras: tuple[float, ...]
    torch: tuple[float, ...]

    def test(self, alpha: float) -> Equivalence:
        return equivalence_of_pairs(self.keras, self.torch, self.margin, alpha)


def _samples(pairs: _Pairs, scenarios: Mapping[str, Scenario]) -> list[_Sample]:
    """All comparisons for which at least two seeds have a value in both halves."""
    samples = []
    for name, seeds in pairs.items():
        scenario = scenarios[name]
        columns: list[tuple[str, str, str | None, Sequence[int], _Value]] = [
            (quantity, margin, None, list(seeds), _level(seeds, attribute))
            for quantity, (attribute, margin) in QUANTITIES.items()
        ]
        base = scenario.cures
        if base is not None and base in pairs:
            quantity = "gap" if scenarios[base].expected == "overfit" else "accuracy"
            attribute, margin = QUANTITIES[quantity]
            common = [seed for seed in seeds if seed in pairs[base]]
            effect = _difference(_level(seeds, attribute), _level(pairs[base], attribute))
            columns.append((f"effect on {quantity}", margin, base, common, effect))
        for quantity, margin, against, numbers, value in columns:
            both = [(value(seed, 0), value(seed, 1)) for seed in numbers]
            known = [(a, b) for a, b in both if a is not None and b is not None]
            if len(known) >= 2:
                keras, torch = zip(*known, strict=True)
                limit = float(getattr(scenario.margins, margin))
                if margin == "epochs":
                    limit *= max(run.num_epochs for pair in seeds.values() for run in pair)
                samples.append(_Sample(name, quantity, against, limit, keras, torch))
    return samples


def _level(seeds: Mapping[int, tuple[Judgement, Judgement]], attribute: str) -> _Value:
    return lambda seed, half: getattr(seeds[seed][half], attribute)


def _difference(value: _Value, base: _Value) -> _Value:
    def effect(seed: int, half: int) -> float | None:
        a, b = value(seed, half), base(seed, half)
        return None if a is None or b is None else a - b

    return effect


def _corrected(samples: Sequence[_Sample], mode: str, alpha: float) -> tuple[EquivalenceRow, ...]:
    tests = [sample.test(alpha) for sample in samples]
    is_seeded = mode == "seeded"
    p_different = holm([test.p_zero if is_seeded else test.p_different for test in tests])
    return tuple(
        EquivalenceRow(
            scenario=sample.scenario,
            quantity=sample.quantity,
            against=sample.against,
            keras=sum(sample.keras) / len(sample.keras),
            torch=sum(sample.torch) / len(sample.torch),
            equivalence=test,
            p_different=p_other,
            # Runs that should be the same must not pass as equivalent.
            verdict=decide(1.0 if is_seeded and p_other < alpha else test.p, p_other, alpha),
        )
        for sample, test, p_other in zip(samples, tests, p_different, strict=True)
    )
