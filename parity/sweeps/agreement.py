"""Whether the verdicts of the two halves agree, with the distance to a threshold in mind.

A verdict is a number cut at a threshold. Where the number is near it, the two runs of a seed fall
on different sides by chance, or because of a difference that the margins allow. A disagreement is
therefore *near* if one of the two runs is within the margin of a threshold between their verdicts,
and the two are within the margin of each other. The others are clear. An exact test of the pairs
compares them; in mode "seeded", where no difference is allowed, it compares all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from parity.behaviour.judgement import VERDICTS, Judgement
from parity.behaviour.limits import BY_HEART, MAX_GAP, MAX_GAP_RISING, MIN_WAY, RISE
from parity.files.ranges import AtLeast0, AtLeast1, Fraction, length, one_of
from parity.stats import ALPHA

if TYPE_CHECKING:
    from parity.programs.scenarios import Margins
    from parity.sweeps.collapses import Pairs

# How many runs have each verdict.
Verdict = Annotated[str, one_of(VERDICTS)]
Verdicts = Annotated[dict[Verdict, AtLeast1], length(1)]


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
    expected: Verdict | None
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
