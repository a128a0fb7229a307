"""Whether the verdicts of the two halves agree, with the distance to a threshold in mind.

A verdict is a number cut at a threshold. Where the number is near it, the two runs of a seed fall
on different sides by chance, or because of a difference that the margins allow. A disagreement is
therefore *near* if a run within the margins of one of the two could have the verdict of the other.
The others are clear. An exact test of the pairs compares them; in mode "seeded", where no
difference is allowed, it compares all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from parity.behaviour.judgement import Judgement
from parity.behaviour.limits import BY_HEART, MAX_GAP, MAX_GAP_RISING, MIN_WAY, RISE
from parity.stats import ALPHA

if TYPE_CHECKING:
    from parity.programs.scenarios import Margins
    from parity.sweeps.collapses import Pairs


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
            threshold.
        p_different: corrected p value of a difference of the verdicts.
        verdict: "different" if it is shown; "agree" if the most frequent verdict is the same,
            where a seed near a threshold counts as the same; otherwise "undecided".
    """

    scenario: str
    expected: str | None
    num_seeds: int
    num_missing: int
    keras: dict[str, int]
    torch: dict[str, int]
    num_same: int
    num_near: int
    p_different: float
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
    """Returns whether a run within the margins of one run could have the verdict of the other.

    Args:
        a: verdict on a run.
        b: another verdict on the run of the same seed in the other half.
        margins: margins of the scenario.
    """
    verdicts = {a.verdict, b.verdict}
    return any(
        distance <= margin
        for run in (a, b)
        for between, distance, margin in _distances(run, margins)
        if verdicts == between
    )


def _distances(run: Judgement, margins: Margins) -> Iterable[tuple[set[str], float, float]]:
    """Yields the verdicts that a threshold separates, the distance to it, and the margin."""
    train, gap, val = run.train_accuracy, run.gap, run.val_accuracy
    if gap is not None:
        noise = run.gap_error or 0.0
        limits = [MAX_GAP]
        if run.val_loss_rise is not None and run.val_loss_rise > RISE:
            limits.append(MAX_GAP_RISING)
        for other in ("good_fit", "underfit"):
            for limit in limits:
                yield {"overfit", other}, abs(gap - max(limit, noise)), margins.gap
    if train is None:
        return
    for other in ("underfit", "stagnant"):
        yield {"good_fit", other}, abs(train - run.target), margins.accuracy
    if run.chance is not None:
        limit = run.chance + MIN_WAY * (run.target - run.chance)
        yield {"underfit", "stagnant"}, abs(train - limit), margins.accuracy
    if val is not None:
        for other in ("good_fit", "overfit"):
            yield {"suspicious", other}, abs(min(train, val) - BY_HEART), margins.accuracy


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
