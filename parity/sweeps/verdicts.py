"""Whether the verdicts of the two halves agree, and how many runs of each did not train."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from parity.behaviour.rules import (
    BY_HEART,
    MAX_GAP,
    MAX_GAP_RISING,
    MIN_WAY,
    RISE,
    VERDICTS,
    Judgement,
)
from parity.files.ranges import AtLeast0, AtLeast1, Fraction, NotNegative, length, one_of
from parity.stats import ALPHA, Verdict, smallest_n

if TYPE_CHECKING:
    from parity.programs.scenarios import Margins


# --- Whether the verdicts of the two halves agree, with the distance to a threshold in mind -------
#
# A verdict is a number cut at a threshold. Where the number is near it, the two runs of a seed fall
# on different sides by chance, or because of a difference that the margins allow. A disagreement is
# therefore *near* if one of the two runs is within the margin of a threshold between their
# verdicts, and the two are within the margin of each other. The others are clear. An exact test of
# the pairs compares them; in mode "seeded", where no difference is allowed, it compares all.


# How many runs have each verdict.
AgreementVerdict = Annotated[str, one_of(VERDICTS)]
Verdicts = Annotated[dict[AgreementVerdict, AtLeast1], length(1)]


@dataclass(frozen=True)
class ScenarioVerdicts:
    """The verdicts on the runs of one scenario.

    Attributes:
        scenario: name of the scenario.
        expected: its verdict in the table of scenarios, or None.
        num_seeds: number of seeds with a result in both halves.
        num_missing: number of seeds without a result in one half or in both.
        keras: number of Keras runs by verdict.
        torch: number of torch runs by verdict.
        num_same: number of seeds whose two runs have the same verdict.
        num_near: number of seeds whose two verdicts differ, but are within the margins of a
            threshold and of each other.
        p_different: corrected p value of a difference of the verdicts.
        verdict: "different" if it is shown; "agree" if the most frequent verdict is the same,
            where a seed near a threshold counts as the same; otherwise "undecided".
    """

    scenario: str
    expected: AgreementVerdict | None
    num_seeds: AtLeast1
    num_missing: AtLeast0
    keras: Verdicts
    torch: Verdicts
    num_same: AtLeast0
    num_near: AtLeast0
    p_different: Fraction
    verdict: Literal["agree", "different", "undecided"]

    @property
    def agrees(self) -> bool:
        """Whether the verdicts agree."""
        return self.verdict == "agree"

    @staticmethod
    def most(counts: Mapping[str, int]) -> str:
        """Returns the most frequent verdict; ties go to the first by name."""
        return min(counts, key=lambda verdict: (-counts[verdict], verdict))


def is_near(a: Judgement, b: Judgement, margins: Margins) -> bool:
    """Returns whether two verdicts differ by no more than the margins allow.

    One of the runs has to be within the margin of a threshold that separates their verdicts, and
    the two runs within the same margin of each other, by the number that is cut there.

    Args:
        a: verdict on a run.
        b: another verdict on the run of the same seed in the other half.
        margins: margins of the scenario.
    """
    verdicts = {a.verdict, b.verdict}
    return any(
        abs(number(run) - limit) <= margin and abs(number(a) - number(b)) <= margin
        for run in (a, b)
        for between, number, limit, margin in _thresholds(run, margins)
        if verdicts == between
    )


Number = Callable[[Judgement], float]  # NaN if the run has none, which is near nothing


def _thresholds(
    run: Judgement, margins: Margins
) -> Iterable[tuple[set[str], Number, float, float]]:
    """Yields the verdicts that a threshold separates, the number it cuts, it, and the margin."""
    if run.gap is not None:
        noise = run.gap_error or 0.0
        limits = [MAX_GAP]
        if run.val_loss_rise is not None and run.val_loss_rise > RISE:
            limits.append(MAX_GAP_RISING)
        for other in ("good_fit", "underfit"):
            for limit in limits:
                yield {"overfit", other}, _gap, max(limit, noise), margins.gap
    if run.train_accuracy is None:
        return
    for other in ("underfit", "stagnant"):
        yield {"good_fit", other}, _train, run.target, margins.accuracy
    if run.chance is not None:
        limit = run.chance + MIN_WAY * (run.target - run.chance)
        yield {"underfit", "stagnant"}, _train, limit, margins.accuracy
    if run.val_accuracy is not None:
        for other in ("good_fit", "overfit"):
            yield {"suspicious", other}, _lower, BY_HEART, margins.accuracy


def _gap(run: Judgement) -> float:
    return math.nan if run.gap is None else run.gap


def _train(run: Judgement) -> float:
    return math.nan if run.train_accuracy is None else run.train_accuracy


def _lower(run: Judgement) -> float:
    return math.nan if run.val_accuracy is None else min(_train(run), run.val_accuracy)


def signs_of(pairs: Pairs, margins: Margins | None) -> dict[str, dict[int, int]]:
    """Returns where the verdicts of a seed differ.

    Args:
        pairs: verdicts on the runs of each seed.
        margins: seeds within them count as equal; None: all count.

    Returns:
        For each verdict that differs somewhere: 1 for each seed where only Keras has it, -1 where
        only torch has it, else 0.
    """
    names = sorted({run.verdict for pair in pairs.values() for run in pair})
    found = {
        name: {
            seed: 0
            if margins is not None and is_near(keras, torch, margins)
            else (keras.verdict == name) - (torch.verdict == name)
            for seed, (keras, torch) in pairs.items()
        }
        for name in names
    }
    return {name: signs for name, signs in found.items() if any(signs.values())}


def verdicts_of(
    scenario: str,
    pairs: Pairs,
    expected: str | None,
    margins: Margins,
    *,
    num_missing: int,
    p_different: float,
    alpha: float = ALPHA,
) -> ScenarioVerdicts:
    """Counts the verdicts of a scenario, and judges whether they agree.

    Args:
        scenario: name of the scenario.
        pairs: verdicts on the runs of each seed, at least one.
        expected: its verdict in the table of scenarios, or None.
        margins: margins of the scenario.
        num_missing: number of seeds without a result in one half or in both.
        p_different: corrected p value of a difference; 1 if no seed differs.
        alpha: level of the test.
    """
    keras = Counter(pair[0].verdict for pair in pairs.values())
    near = [is_near(*pair, margins) for pair in pairs.values()]
    # Torch's verdicts, as they would be if runs near a threshold had fallen on Keras's side.
    moved = Counter(
        pair[not is_close].verdict for pair, is_close in zip(pairs.values(), near, strict=True)
    )
    is_same = ScenarioVerdicts.most(keras) == ScenarioVerdicts.most(moved)
    return ScenarioVerdicts(
        scenario=scenario,
        expected=expected,
        num_seeds=len(pairs),
        num_missing=num_missing,
        keras=dict(keras),
        torch=dict(Counter(pair[1].verdict for pair in pairs.values())),
        num_same=sum(keras.verdict == torch.verdict for keras, torch in pairs.values()),
        num_near=sum(near),
        p_different=p_different,
        verdict="different" if p_different < alpha else "agree" if is_same else "undecided",
    )


# --- Runs that did not train: how many there are in each half, and whether that differs -----------
#
# One seed in twenty that does not train is a finding that a mean hides. Such runs are therefore
# counted, their shares are compared by an exact test of the pairs (McNemar), and the means are
# those of the pairs whose two runs trained. Where no run of either half collapsed, there is nothing
# to compare, and the row says up to which share that proves.


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


def signs_of_collapses(pairs: Pairs, expected: str | None) -> dict[int, int]:
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
    interval = share_interval(list(signs_of_collapses(pairs, expected).values()), alpha)
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
