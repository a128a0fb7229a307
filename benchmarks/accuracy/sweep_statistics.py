"""The statistics of a sweep on simulated pairs: `python benchmarks/accuracy/sweep_statistics.py`.

It judges pairs of 2 to 20 seeds by the code of `parity sweep`, and prints, in %, how often pairs
whose true difference is exactly the margin are called equivalent (bar: 6 %), and how often pairs
without a difference, in mode "seeded", are called different (bar: 5 %). The pairs are normal,
skewed, binomial, tied, correlated, or collapse. The last line has the verdicts of a right port
whose gap is exactly at the threshold. The kinds below the line were not used to choose the test.
`--plain` judges by the plain t-tests that it replaces.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parity.behaviour.rules import MAX_GAP, Judgement
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import Margins, Scenario
from parity.stats import ALPHA
from parity.sweeps.equivalence import compare
from parity.sweeps.pairs import p_below, p_of_sums
from parity.sweeps.rows import Row

SIZES = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20)
MARGIN = Margins().accuracy
MAX_EQUIVALENT, MAX_DIFFERENT = 0.06, 0.05
SCENARIO = {"simulated": Scenario("Simulated.", RunSpec(scenario="simulated"), "good_fit")}

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """Pairs of runs.

    Attributes:
        skewed: draws differences of a mean of 0 with a long tail to the right, for the margin.
        alike: draws differences that a swap of the halves does not change.
        is_held_out: whether it was not used to choose the test.
    """

    skewed: Draw
    alike: Draw
    is_held_out: bool = True


def of_one(draw: Draw, mean: float, *, is_held_out: bool = True) -> Kind:
    """Differences from one distribution; without a difference, both halves have it."""
    return Kind(
        lambda g, size: draw(g, size) - mean,
        lambda g, size: draw(g, size) - draw(g, size),
        is_held_out,
    )


def counts(rate: float, samples: int) -> Kind:
    """Accuracies of independent samples; at the margin, torch's are lower by it."""

    def shares(g: np.random.Generator, size: tuple[int, int], rate: float) -> np.ndarray:
        return g.binomial(samples, rate, size) / samples

    return Kind(
        lambda g, size: (shares(g, size, rate) - shares(g, size, rate - MARGIN) - MARGIN) / 0.01,
        lambda g, size: (shares(g, size, rate) - shares(g, size, rate)) / 0.01,
    )


def single_samples(share: float) -> Kind:
    """Pairs of which most are equal, and the others differ by one sample of 1,000."""

    def steps(g: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        return g.choice([-0.1, 0, 0.1], size, p=[share / 2, 1 - share, share / 2])

    return Kind(steps, steps)


def correlated(g: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Differences of runs that share nine tenths of their variance, with heavy tails."""
    common = 3 * g.standard_t(4, size)
    return (common + g.standard_t(4, size)) - (common + g.standard_t(4, size))


def lognormal(sd: float) -> tuple[Draw, float]:
    """A lognormal distribution and its mean."""
    return lambda g, size: g.lognormal(0, sd, size), float(np.exp(sd**2 / 2))


def beta(g: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Errors of accuracies near 1: a beta distribution with a skew of 1.7."""
    return 20 * g.beta(0.8, 12, size)


KINDS = {
    "normal": of_one(lambda g, size: g.standard_normal(size), 0, is_held_out=False),
    "exponential": of_one(lambda g, size: g.standard_exponential(size), 1, is_held_out=False),
    "lognormal 0.5": of_one(*lognormal(0.5), is_held_out=False),
    "lognormal 1": of_one(*lognormal(1), is_held_out=False),
    "gamma 0.5": of_one(lambda g, size: g.standard_gamma(0.5, size), 0.5, is_held_out=False),
    "gamma 1.5": of_one(lambda g, size: g.standard_gamma(1.5, size), 1.5),
    "lognormal 0.75": of_one(*lognormal(0.75)),
    "Gumbel": of_one(lambda g, size: g.gumbel(0, 1, size), float(np.euler_gamma)),
    "half-normal": of_one(lambda g, size: abs(g.standard_normal(size)), float(np.sqrt(2 / np.pi))),
    "beta of errors": of_one(beta, 20 * 0.8 / 12.8),
    "Pareto 5": of_one(lambda g, size: g.pareto(5, size), 0.25),
    "binomial 0.9 of 1000": counts(0.9, 1000),
    "binomial 0.995 of 200": counts(0.995, 200),
    "tied, 1 in 5 differs": single_samples(0.2),
    "tied, 4 in 5 differ": single_samples(0.8),
    "correlated, heavy tails": Kind(correlated, correlated),
}


def is_equivalent(d: np.ndarray, plain: bool) -> np.ndarray:
    """Judges differences (rounds, n) in units of points against the margin on both sides."""
    d, margin = d / 100, MARGIN
    if plain:
        with np.errstate(divide="ignore", invalid="ignore"):
            error = d.std(axis=1, ddof=1) / np.sqrt(d.shape[1])
            p = stats.t.cdf((np.abs(d.mean(axis=1)) - margin) / error, d.shape[1] - 1)
        return p < ALPHA
    return np.maximum(p_below(d - margin), p_below(-d - margin)) < ALPHA


def is_different(d: np.ndarray, plain: bool) -> np.ndarray:
    """Judges differences (rounds, n) of one quantity in mode "seeded"."""
    if plain:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(d.mean(axis=1)) / (d.std(axis=1, ddof=1) / np.sqrt(d.shape[1]))
        return 2 * stats.t.sf(t, d.shape[1] - 1) < ALPHA
    # For a single quantity, this is what `step_down` makes of the p values of all swaps.
    return 2 * np.minimum(p_of_sums(d), p_of_sums(-d)) < ALPHA


def collapsing(g: np.random.Generator, n: int, shift: float, extra: float) -> Iterator[Row]:
    """Runs of which one in ten stays at the accuracy of guessing; of torch's, more.

    Args:
        g: generator of random numbers.
        n: number of seeds.
        shift: accuracy that torch loses if it trains.
        extra: share of torch's further runs that collapse.
    """
    for half, loss, share in (("keras", 0.0, 0.1), ("torch", shift, 0.1 + extra)):
        for seed in range(n):
            is_lost = g.random() < share
            accuracy = 0.1 if is_lost else 0.9 - loss + 0.005 * g.standard_normal()
            verdict = "stagnant" if is_lost else "good_fit"
            found = Judgement(verdict, "", "", 10, val_accuracy=accuracy)
            yield Row("simulated", seed, half, found, 1.0)


def collapse_rates(g: np.random.Generator, n: int, rounds: int) -> tuple[float, float]:
    """Rates of "equivalent" at the margin of the means, and of "fail" for equal halves."""
    at_margin = [
        compare(list(collapsing(g, n, MARGIN, 0.0)), SCENARIO).comparisons for _ in range(rounds)
    ]
    alike = [
        compare(list(collapsing(g, n, 0.0, 0.0)), SCENARIO, mode="seeded") for _ in range(rounds)
    ]
    return (
        float(np.mean([any(row.verdict == "equivalent" for row in rows) for rows in at_margin])),
        float(np.mean([found.verdict == "fail" for found in alike])),
    )


def verdict_rate(g: np.random.Generator, n: int, rounds: int) -> float:
    """Rate of verdicts called different of a right port whose gap is at the threshold."""

    def rows() -> Iterator[Row]:
        for half in ("keras", "torch"):
            for seed in range(n):
                gap = MAX_GAP + 0.01 * g.standard_normal()
                verdict = "overfit" if gap > MAX_GAP else "good_fit"
                found = Judgement(verdict, "", "", 10, train_accuracy=0.99, gap=gap)
                yield Row("simulated", seed, half, found, 1.0)

    found = [compare(list(rows()), SCENARIO, mode="seeded").verdicts[0] for _ in range(rounds)]
    return float(np.mean([row.verdict == "different" for row in found]))


def main() -> None:
    """Prints the rates, and exits with 1 if one is above its bar by more than chance explains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4000, help="pairs of each kind and size")
    parser.add_argument("--seed", type=int, default=17, help="seed of the simulation")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of seeds")
    parser.add_argument("--plain", action="store_true", help="judge by plain t-tests")
    arguments = parser.parse_args()
    plain, rounds, sizes = arguments.plain, arguments.rounds, arguments.sizes
    left = f"{'equivalent, at margin':<{5 * len(sizes) + 2}}"
    print(f"{'called':<24}{left}different, without a difference")
    print(f"{'pairs':<24}{''.join(f'{n:>5}' for n in sizes)}  {''.join(f'{n:>5}' for n in sizes)}")
    highest = [0.0, 0.0]
    for number, (name, kind) in enumerate(KINDS.items()):
        if kind.is_held_out and not list(KINDS.values())[number - 1].is_held_out:
            print("-" * (26 + 10 * len(sizes)))
        rates: tuple[list[float], list[float]] = ([], [])
        for n in sizes:
            g = np.random.default_rng([arguments.seed, number, n])
            d = kind.skewed(g, (rounds, n)) + 100 * MARGIN
            rates[0].append(float(np.mean(is_equivalent(d, plain))))
            rates[1].append(float(np.mean(is_different(kind.alike(g, (rounds, n)), plain))))
        print_rates(name, rates)
        highest = [max(old, *each) for old, each in zip(highest, rates, strict=True)]
    print(f"highest rates: {highest[0]:.1%} of 6 %, {highest[1]:.1%} of 5 %")
    if plain:
        return
    is_above = exceeds(highest, rounds)
    # These are whole sweeps, which take longer.
    fewer = max(rounds // 4, 1)
    generators = {n: np.random.default_rng([arguments.seed, 99, n]) for n in sizes}
    found = [collapse_rates(generators[n], n, fewer) for n in sizes]
    print_rates("1 in 10 collapses", ([a for a, _ in found], [b for _, b in found]))
    called = [verdict_rate(generators[n], n, fewer) for n in sizes]
    indent = 26 + 5 * len(sizes)
    cells = "".join(f"{100 * rate:5.1f}" for rate in called)
    print(f"{'verdicts at a threshold':<{indent}}{cells}")
    is_above |= exceeds([max(a for a, _ in found), max(*(b for _, b in found), *called)], fewer)
    sys.exit(is_above)


def exceeds(highest: list[float], rounds: int) -> bool:
    """Whether a rate is above its bar by more than three standard errors of the simulation."""
    bars = (bar + 3 * np.sqrt(bar * (1 - bar) / rounds) for bar in (MAX_EQUIVALENT, MAX_DIFFERENT))
    return any(rate > bar for rate, bar in zip(highest, bars, strict=True))


def print_rates(name: str, rates: tuple[list[float], list[float]]) -> None:
    """Prints a row in %."""
    cells = ("".join(f"{100 * rate:5.1f}" for rate in each) for each in rates)
    print(f"{name:<24}{'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
