"""Signs of causes: what the curves and the data show.

Each sign is a function of the observations. Factors and texts are in `parity.behaviour.causes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from parity.behaviour.units import in_fractions

if TYPE_CHECKING:
    from parity.behaviour.audit.findings import Finding
    from parity.behaviour.judgement import Judgement
    from parity.traces.trace import History

SMALL = 1000  # training samples
EARLY = 0.5  # of the epochs: a minimum before is followed by more than as much training
TURNED = 1.2  # validation losses of good fits end within 1.2 of their minimum (docs/behaviour.md)
PEAK = 0.03  # of accuracy, above the level: more than the noise of 1,000 samples
JUMPS = 0.08  # of accuracy from epoch to epoch, the median; smooth curves have 0.02 and less
APART = 0.2  # of accuracy, already after the first epoch: nothing is learned by heart in one pass
CLOSE = 0.05  # accuracies so near to each other say nothing
PENALTY = 2.0  # loss / the largest that its accuracy explains


@dataclass(frozen=True)
class Observations:
    """The input of the signs.

    Attributes:
        verdict: verdict on the history and its data.
        judgement: judgement of the history.
        history: the history, with Keras's keys.
        findings: findings in the data, by id; empty without data.
        num_train: number of training samples, or None.
    """

    verdict: str
    judgement: Judgement
    history: History
    findings: Mapping[str, Finding]
    num_train: int | None

    def column(self, key: str) -> list[float]:
        """Returns the finite values of a column; of an accuracy as fractions."""
        columns, _ = in_fractions(self.history)
        return [value for value in columns.get(key, []) if math.isfinite(value)]

    def late_gain(self, key: str) -> float | None:
        """Returns the gain of a column in its last quarter; None if the column is too short."""
        column = self.column(key)
        if len(column) < 3:
            return None
        return column[-1] - column[-1 - max(1, len(column) // 4)]

    @property
    def is_improving(self) -> bool:
        """Whether training accuracy (or the loss, without one) is still improving at the end."""
        gain = self.late_gain("accuracy")
        if gain is not None:
            return gain > 0.01
        loss, fall = self.column("loss"), self.late_gain("loss")
        return fall is not None and -fall > 0.05 * abs(loss[0])


def has_finding(*ids: str) -> Callable[[Observations], bool]:
    """Returns whether the data show one of these findings."""
    return lambda evidence: any(name in evidence.findings for name in ids)


def is_rule(*rules: str) -> Callable[[Observations], bool]:
    """Returns whether one of these rules decided."""
    return lambda evidence: evidence.judgement.rule in rules


def first_rate(evidence: Observations) -> float | None:
    """The first learning rate; None without one."""
    rates = evidence.column("learning_rate")
    return rates[0] if rates else None


def is_below(rate: float | None, limit: float) -> bool:
    """Whether a known rate is below a limit."""
    return rate is not None and rate < limit


def is_from(rate: float | None, limit: float) -> bool:
    """Whether a known rate is at a limit or above."""
    return rate is not None and rate >= limit


def was_cut_early(evidence: Observations) -> bool:
    """Whether the rate fell to a tenth in the first half."""
    rates = evidence.column("learning_rate")
    return len(rates) > 2 and rates[len(rates) // 2] < 0.1 * rates[0]


def is_short(evidence: Observations) -> bool:
    """Whether there are no more than three epochs."""
    return evidence.judgement.num_epochs <= 3


def is_flat(evidence: Observations) -> bool:
    """Whether training had stopped to improve."""
    return evidence.judgement.num_epochs > 3 and not evidence.is_improving


def trains_below_validation(evidence: Observations) -> bool:
    """Whether Keras's running training accuracy is far below validation: dropout is on."""
    train, val = evidence.column("accuracy"), evidence.column("val_accuracy")
    return bool(train and val) and train[-1] < val[-1] - 0.02


def is_at_chance(evidence: Observations) -> bool:
    """Whether validation is at the level of guessing."""
    judgement = evidence.judgement
    if judgement.chance is None or judgement.val_accuracy is None:
        return False
    return judgement.val_accuracy < judgement.chance + 0.05


def is_small(evidence: Observations) -> bool:
    """Whether few training samples are known."""
    return evidence.num_train is not None and evidence.num_train < SMALL


def is_large(evidence: Observations) -> bool:
    """Whether many training samples are known."""
    return evidence.num_train is not None and evidence.num_train >= SMALL


def loss_exploded(evidence: Observations) -> bool:
    """Whether the loss ends at twice its first value."""
    loss = evidence.column("loss")
    return len(loss) > 1 and loss[-1] > 2 * loss[0]


def names_the_largest_class(evidence: Observations) -> bool:
    """Whether one class is always named, and is right more often than an even share of classes."""
    judgement = evidence.judgement
    if judgement.rule != "one_class" or judgement.val_accuracy is None:
        return False
    return judgement.val_accuracy > (judgement.chance or 0.5) + CLOSE


def validation_turned(evidence: Observations) -> bool:
    """Whether the validation loss was lowest early, and has risen since."""
    best, rise = evidence.judgement.best_epoch_number, evidence.judgement.val_loss_rise
    if best is None or rise is None or evidence.judgement.num_epochs < 4:
        return False
    return best <= EARLY * evidence.judgement.num_epochs and rise > TURNED


def accuracy_peaked(evidence: Observations) -> bool:
    """Whether validation accuracy has fallen since its peak: memory costs accuracy."""
    column, level = evidence.column("val_accuracy"), evidence.judgement.val_accuracy
    return len(column) > 3 and level is not None and max(column) - level > PEAK


def validation_jumps(evidence: Observations) -> bool:
    """Whether validation accuracy jumps from epoch to epoch, up and down."""
    column = evidence.column("val_accuracy")
    if len(column) < 5:
        return False
    steps = sorted(abs(b - a) for a, b in pairwise(column[1:]))
    falls = sum(b < a for a, b in pairwise(column))
    return steps[len(steps) // 2] > JUMPS and falls >= len(column) // 4


def apart_from_the_start(evidence: Observations) -> bool:
    """Whether validation is far below training after the first epoch, and stays there."""
    train, val = evidence.column("accuracy"), evidence.column("val_accuracy")
    if not train or not val:
        return False
    return train[0] - val[0] > APART and max(val) < max(train) - APART


def has_penalty(evidence: Observations) -> bool:
    """Whether the training loss is more than its accuracy explains: a penalty is in it."""
    loss, train = evidence.column("loss"), evidence.column("accuracy")
    if not loss or not train or not 0.5 <= train[-1] <= 1:
        return False
    # All wrong answers at the loss of a tenth of a percent, all right ones at that of a half.
    explained = (1 - train[-1]) * math.log(1000) + train[-1] * math.log(2)
    return loss[-1] > PENALTY * explained


def loss_is_flat(evidence: Observations) -> bool:
    """Whether the loss is the same in all epochs but the first: no gradient arrives."""
    loss = evidence.column("loss")[1:]
    return len(loss) > 2 and max(loss) - min(loss) <= 0.002 * abs(loss[0])


def loss_jumps(evidence: Observations) -> bool:
    """Whether the loss rises about as often as it falls, by more than a twentieth."""
    loss = evidence.column("loss")
    large = sum(b > 1.05 * a for a, b in pairwise(loss))
    return len(loss) > 4 and large >= len(loss) // 4
