"""The test of a benchmark's variants, simulated: `python benchmarks/accuracy/group_statistics.py`.

It judges two groups of 2 to 20 unrelated runs by the code of `parity bench`. The first group is
above the second by exactly the upper margin. It prints, in %, how often they are called equivalent,
and how often different, which is wrong as well, since the difference is not beyond the margin (bar
of both: 6 %). The runs are normal, with equal and unequal spreads, skewed, tied, binomial, or have
no spread in one group. `--plain` judges by Welch's t alone, as the test that this one replaces.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parity.stats import ALPHA
from parity.sweeps.groups import p_below

SIZES = (2, 3, 4, 5, 6, 8, 12, 20)
MAX_RATE = 0.06

Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(g: np.random.Generator, n: int) -> np.ndarray:
    """Runs of a normal distribution."""
    return g.standard_normal(n)


def wide(g: np.random.Generator, n: int) -> np.ndarray:
    """Runs that spread three times as much."""
    return 3 * g.standard_normal(n)


def skewed(g: np.random.Generator, n: int) -> np.ndarray:
    """Runs of an exponential distribution, with a mean of 0."""
    return g.standard_exponential(n) - 1


def very_skewed(g: np.random.Generator, n: int) -> np.ndarray:
    """Runs of a lognormal distribution, with a mean of 0."""
    return g.lognormal(0, 1, n) - np.exp(0.5)


def constant(g: np.random.Generator, n: int) -> np.ndarray:
    """Runs without a spread."""
    return np.zeros(n)


def tied(g: np.random.Generator, n: int) -> np.ndarray:
    """Runs of which four in five are equal, and the others a sample more or less."""
    return g.choice([-1.0, 0.0, 1.0], n, p=[0.1, 0.8, 0.1])


def binomial(g: np.random.Generator, n: int) -> np.ndarray:
    """Accuracies of 200 samples near 1, with a mean of 0."""
    return g.binomial(200, 0.98, n) / 2 - 98


# The first group, and the second.
KINDS: dict[str, tuple[Draw, Draw]] = {
    "normal": (normal, normal),
    "normal, unequal spreads": (normal, wide),
    "skewed": (skewed, skewed),
    "skewed, and normal": (skewed, normal),
    "skewed, and no spread": (skewed, constant),
    "lognormal, and no spread": (very_skewed, constant),
    "tied": (tied, tied),
    "tied, and no spread": (tied, constant),
    "binomial": (binomial, binomial),
    "binomial, and no spread": (binomial, constant),
}


def is_below(x: np.ndarray, y: np.ndarray, plain: bool) -> bool:
    """Whether the mean of the first group is called less than that of the second."""
    if not plain:
        return p_below(x, y) < ALPHA
    with np.errstate(all="ignore"):
        p = stats.ttest_ind(x, y, equal_var=False, alternative="less").pvalue
    return bool(p < ALPHA) if np.isfinite(p) else bool(x.mean() < y.mean())


def rates(
    draws: tuple[Draw, Draw], n: int, rounds: int, seed: list[int], plain: bool
) -> list[float]:
    """Returns the rates of "equivalent" and of "different" at the upper margin.

    The draws are those of the first group minus the margin, and of the second.
    """
    g = np.random.default_rng(seed)
    found = np.zeros((rounds, 2))
    for number in range(rounds):
        x, y = (draw(g, n) for draw in draws)
        found[number] = is_below(x, y, plain), is_below(y, x, plain)
    return [float(rate) for rate in found.mean(axis=0)]


def main() -> None:
    """Prints the rates, and exits with 1 if one is above its bar by more than chance explains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="pairs of groups of each size")
    parser.add_argument("--seed", type=int, default=17, help="seed of the simulation")
    parser.add_argument("--plain", action="store_true", help="judge by Welch's t alone")
    arguments = parser.parse_args()
    heading = "".join(f"{n:>6}" for n in SIZES)
    print(f"{'at the margin':<26}{'called equivalent':<50}called different")
    print(f"{'groups':<26}{heading}  {heading}")
    highest = 0.0
    for number, (name, draws) in enumerate(KINDS.items()):
        cells = [
            rates(draws, n, arguments.rounds, [arguments.seed, number, n], arguments.plain)
            for n in SIZES
        ]
        told = ("".join(f"{100 * cell[k]:6.1f}" for cell in cells) for k in (0, 1))
        print(f"{name:<26}{'  '.join(told)}", flush=True)
        highest = max(highest, *(rate for cell in cells for rate in cell))
    print(f"highest rate: {highest:.1%} of 6 %")
    error = np.sqrt(MAX_RATE * (1 - MAX_RATE) / arguments.rounds)
    sys.exit(bool(highest > MAX_RATE + 3 * error) and not arguments.plain)


if __name__ == "__main__":
    main()
