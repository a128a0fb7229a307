"""Runs that did not train: how many there are in each half, and whether that differs.

One seed in twenty that does not train is a finding that a mean hides. Such runs are therefore
counted, their shares are compared by an exact test of the pairs (McNemar), and the means are those
of the pairs whose two runs trained. Where no run of either half collapsed, there is nothing to
compare, and the row says up to which share that proves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.behaviour.judgement import Judgement
from parity.behaviour.limits import MIN_WAY
from parity.files.ranges import AtLeast0, AtLeast1, Fraction, NotNegative
from parity.stats import ALPHA, Verdict, smallest_n

Pairs = Mapping[int, tuple[Judgement, Judgement]]  # seed -> (keras, torch)


@dataclass(frozen=True)
class Collapses:
    """The runs of one scenario that did not train.

    Attributes:
        scenario: name of the scenario.
        num_seeds: number of seeds with a result in both halves.
        keras: number of Keras runs that did not train.
        torch: number of torch runs that did not train.
        keras_diverged: number of Keras runs that diverged; they are among those of `keras`.
        torch_diverged: number of torch runs that diverged; they are among those of `torch`.
        low, high: interval of the share in Keras minus the share in torch, with a confidence of at
            least 1 - 2 alpha.
        margin: difference of the shares up to which the halves count as equivalent.
        p_different: corrected p value of a difference of the shares.
        verdict: "equivalent": no run collapsed, or the interval is within the margin;
            "different"; or "inconclusive".
        num_torch: number of torch runs where runs are no pairs, so that there may be more or fewer
            than the `num_seeds` of Keras; None: as many.
    """

    scenario: str
    num_seeds: AtLeast1
    keras: AtLeast0
    torch: AtLeast0
    keras_diverged: AtLeast0
    torch_diverged: AtLeast0
    low: float
    high: float
    margin: NotNegative
    p_different: Fraction
    verdict: Verdict
    num_torch: int | None = None

    @property
    def has_some(self) -> bool:
        """Whether any run collapsed."""
        return self.keras + self.torch > 0

    @property
    def needed(self) -> int | None:
        """Number of seeds with which the interval is within the margin; None if above MAX_N.

        It assumes that both halves collapse as often as their runs together did, and never with the
        same seed, so that it is rather too many.
        """
        share = (self.keras + self.torch) / (2 * self.num_seeds)
        return smallest_n(lambda n: _width(n * share, n, ALPHA) < self.margin)

    @property
    def lacks_seeds(self) -> bool:
        """Whether it is undecided for want of seeds, and more of them would make a difference."""
        if self.keras_diverged + self.torch_diverged:
            return False
        needed = self.needed if self.verdict == "inconclusive" else 0
        return needed is None or needed > self.num_seeds


def has_collapsed(judgement: Judgement, expected: str | None) -> bool:
    """Returns whether a run did not train.

    It diverged; or it is stagnant or near chance, by the limits of the rules, and the scenario is
    not meant to be stagnant.

    Args:
        judgement: the verdict on the run.
        expected: the verdict that the scenario is meant to show; None = none.
    """
    if judgement.verdict == "diverged":
        return expected != "diverged"
    if expected == "stagnant":
        return False
    train, chance = judgement.train_accuracy, judgement.chance
    at_chance = (
        train is not None
        and chance is not None
        and train <= chance + MIN_WAY * (judgement.target - chance)
    )
    return judgement.verdict == "stagnant" or at_chance


def trained(pairs: Pairs, expected: str | None) -> dict[int, tuple[Judgement, Judgement]]:
    """Returns the pairs whose two runs trained, by seed."""
    return {
        seed: pair
        for seed, pair in pairs.items()
        if not any(has_collapsed(run, expected) for run in pair)
    }


def signs_of(pairs: Pairs, expected: str | None) -> dict[int, int]:
    """Returns for each seed 1 if only its Keras run collapsed, -1 if only torch's, else 0."""
    return {
        seed: int(has_collapsed(keras, expected)) - int(has_collapsed(torch, expected))
        for seed, (keras, torch) in pairs.items()
    }


def collapses_of(
    scenario: str,
    pairs: Pairs,
    expected: str | None,
    *,
    margin: float,
    p_different: float,
    alpha: float = ALPHA,
) -> Collapses:
    """Counts the runs that did not train, and judges the difference.

    Args:
        scenario: name of the scenario.
        pairs: at least one.
        expected: the verdict that the scenario is meant to show; None = none.
        margin: in (0, 1].
        p_different: corrected p value of a difference; 1 if no seed differs.
        alpha: level of each side.
    """
    keras, torch = zip(*pairs.values(), strict=True)
    interval = share_interval(list(signs_of(pairs, expected).values()), alpha)
    return counted(
        scenario,
        (keras, torch),
        expected,
        interval,
        margin=margin,
        p_different=p_different,
        alpha=alpha,
    )


def counted(
    scenario: str,
    halves: tuple[Sequence[Judgement], Sequence[Judgement]],
    expected: str | None,
    interval: tuple[float, float],
    *,
    margin: float,
    p_different: float,
    alpha: float = ALPHA,
    are_pairs: bool = True,
) -> Collapses:
    """Counts the runs that did not train, and judges an interval of the difference.

    Args:
        scenario: name of the scenario.
        halves: the Keras runs and the torch runs, at least one each.
        expected: as for `collapses_of`.
        interval: of the share in Keras minus the share in torch.
        margin: in (0, 1].
        p_different: corrected p value of a difference.
        alpha: level of each side.
        are_pairs: whether the runs of both halves are pairs.
    """
    counts = [sum(has_collapsed(run, expected) for run in runs) for runs in halves]
    diverged = [sum(run.verdict == "diverged" for run in runs) for runs in halves]
    low, high = interval
    is_shown = sum(counts) == 0 or (low > -margin and high < margin)
    verdict: Verdict = "equivalent" if is_shown else "inconclusive"
    return Collapses(
        scenario=scenario,
        num_seeds=len(halves[0]),
        keras=counts[0],
        torch=counts[1],
        keras_diverged=diverged[0],
        torch_diverged=diverged[1],
        low=low,
        high=high,
        margin=margin,
        p_different=p_different,
        verdict="different" if p_different < alpha else verdict,
        num_torch=None if are_pairs else len(halves[1]),
    )


def share_interval(signs: Sequence[int], alpha: float = ALPHA) -> tuple[float, float]:
    """Returns an interval of the difference of two shares from pairs.

    It combines the exact intervals (Clopper and Pearson 1934) of the share of pairs that differ one
    way and of those that differ the other way, each at half the level.

    Args:
        signs: n values, at least 1: 1 where only the first of a pair shows something, -1 where only
            the second does, else 0.
        alpha: level of each side, in (0, 0.5).
    """
    n = len(signs)
    first, second = (
        limits_of_share(int(np.sum(np.equal(signs, sign))), n, alpha) for sign in (1, -1)
    )
    return first[0] - second[1], first[1] - second[0]


def limits_of_share(k: float, n: int, alpha: float) -> tuple[float, float]:
    """Returns the interval of a share, of which k of n were seen; k need not be whole."""
    from scipy.special import betaincinv

    low = float(betaincinv(k, n - k + 1, alpha / 2)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - alpha / 2)) if k < n else 1.0
    return low, high


def _width(k: float, n: int, alpha: float) -> float:
    """Returns how far the interval reaches to each side if k of n pairs differ in either way."""
    low, high = limits_of_share(k, n, alpha)
    return high - low
