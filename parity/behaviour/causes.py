"""Causes of bad training and their remedies: the article's list, ranked for one history."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from parity.behaviour.rules import in_fractions

if TYPE_CHECKING:
    from parity.behaviour.audit.findings import Finding
    from parity.behaviour.rules import Judgement
    from parity.traces.trace import History


# --- Signs of causes: what the curves and the data show -------------------------------------------
#
# Each sign is a function of the observations. Factors and texts are in `parity.behaviour.causes`.


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


# --- Causes of bad training and their remedies: the article's list, ranked for one history --------
#
# Each cause has a weight for every verdict that it explains, and signs in the history or the data:
# a sign that is seen multiplies the weight. The weights are divided by their sum, so that the
# confidences of all causes add up to 1. They give an order; they are not probabilities.


MAX_CAUSES = 4
DATA = 20.0  # factor of a sign in the data: it outweighs signs in the curves
MIN_CONFIDENCE = 0.08  # less likely causes are not listed


Sign = tuple[Callable[[Observations], bool], float, str]


@dataclass(frozen=True)
class Cause:
    """A cause of bad training.

    Attributes:
        id: short name.
        title: the cause in a few words.
        weights: weights by verdict.
        signs: (whether it is seen, factor, text for the report).
        reason: why it has this effect.
        confirm: what would show that it is the cause.
        remedies: what to try, most promising first.
    """

    id: str
    title: str
    weights: Mapping[str, float]
    signs: Sequence[Sign]
    reason: str
    confirm: str
    remedies: Sequence[str]


@dataclass(frozen=True)
class RankedCause:
    """A cause of one history.

    Attributes:
        cause: the cause.
        confidence: share among all causes, in [0, 1].
        signs: the signs that are seen, as sentences.
    """

    cause: Cause
    confidence: float
    signs: tuple[str, ...]


def rank(evidence: Observations) -> tuple[RankedCause, ...]:
    """Returns the likely causes, the most likely first; none for a good fit or without evidence."""
    found = []
    for cause in CAUSES:
        weight = cause.weights.get(evidence.verdict, 0.0)
        facts = [(factor, text) for applies, factor, text in cause.signs if applies(evidence)]
        weight *= math.prod(factor for factor, _ in facts)
        found.append((weight, cause, tuple(text for factor, text in facts if factor > 1)))
    total = sum(weight for weight, _, _ in found)
    if total == 0:
        return ()
    found.sort(key=lambda entry: -entry[0])
    ranked = [RankedCause(cause, weight / total, reasons) for weight, cause, reasons in found]
    return tuple(entry for entry in ranked if entry.confidence >= MIN_CONFIDENCE)[:MAX_CAUSES]


CAUSES = (
    Cause(
        "low_learning_rate",
        "the learning rate is too low",
        {"stagnant": 1.0, "underfit": 0.4},
        [
            (lambda e: is_below(first_rate(e), 5e-5), 6.0, "it starts below 5e-5"),
            (was_cut_early, 3.0, "it was reduced to a tenth in the first half of training"),
            (lambda e: is_from(first_rate(e), 5e-4), 0.4, ""),
        ],
        "Steps are so small that the loss hardly falls in each epoch.",
        "the loss of a few epochs at ten times the rate falls visibly faster",
        ["a rate ten times as high (Adam: 1e-3)", "ReduceLROnPlateau with more patience"],
    ),
    Cause(
        "high_learning_rate",
        "the learning rate is too high",
        {"diverged": 1.0, "stagnant": 0.3},
        [
            (loss_jumps, 4.0, "the loss jumps up as often as it falls"),
            (lambda e: is_from(first_rate(e), 0.01), 4.0, "it is 0.01 or more"),
            (loss_exploded, 2.0, "the loss has grown"),
        ],
        "Steps jump over the minimum, and each one makes the loss and the next step larger.",
        "the loss falls steadily at a tenth of the rate",
        ["a rate a tenth as high", "gradient clipping (clipnorm=1)", "a warm-up"],
    ),
    Cause(
        "broken_numbers",
        "an input or an operation that is not finite",
        {"diverged": 0.6},
        [(is_rule("not_finite"), 2.0, "a loss is not finite")],
        "log(0), a division by zero or a NaN in the images makes every weight NaN in one step.",
        "the first batch whose loss or input is not finite, found with numpy.isfinite",
        ["look for NaN in the images", "a loss from logits instead of a softmax and a logarithm"],
    ),
    Cause(
        "too_few_epochs",
        "training was too short",
        {"underfit": 0.8},
        [
            (lambda e: e.is_improving, 3.0, "accuracy was still rising at the end"),
            (is_short, 3.0, "there are no more than three epochs"),
            (is_flat, 0.1, ""),
        ],
        "The network could do better, and was still improving when training ended.",
        "ten more epochs raise training and validation accuracy together",
        ["more epochs, with early stopping as a limit"],
    ),
    Cause(
        "too_little_capacity",
        "the network is too small",
        {"underfit": 1.0, "stagnant": 0.3},
        [(is_flat, 2.5, "training accuracy has reached a plateau below the target")],
        "Too few filters or units cannot represent the classes: training and validation accuracy "
        "stop together.",
        "twice the filters or units raise training accuracy, at the same rate",
        ["more filters and a hidden layer (Example 1)", "then a schedule: ReduceLROnPlateau"],
    ),
    Cause(
        "unsuitable_architecture",
        "the architecture does not suit the task",
        {"underfit": 0.5, "stagnant": 0.6},
        [
            (loss_is_flat, 2.0, "the loss is the same in every epoch"),
            (is_flat, 1.5, "training accuracy has reached a plateau below the target"),
        ],
        "Any number of layers without a non-linearity is one linear map; dead ReLUs or a softmax "
        "in the wrong place stop the gradient.",
        "the network cannot learn ten samples by heart, or a gradient of a layer is 0",
        ["an activation after every hidden layer", "a known network for images of this size"],
    ),
    Cause(
        "strong_regularisation",
        "the regularisation is too strong",
        {"underfit": 0.4, "stagnant": 0.5},
        [
            (has_penalty, 3.0, "the loss is more than its accuracy explains: a penalty"),
            (trains_below_validation, 3.0, "training, with dropout on, is below validation"),
        ],
        "Penalties, dropout or augmentation leave the network too little to learn from.",
        "training accuracy in eval mode rises without dropout, penalty and augmentation",
        ["half the dropout rate, a tenth of the penalty", "milder augmentation"],
    ),
    Cause(
        "noisy_labels",
        "labels are wrong",
        {"underfit": 0.3, "overfit": 0.3},
        [
            (accuracy_peaked, 2.5, "validation accuracy has fallen since its peak"),
            (has_finding("contradicting_labels"), DATA, "the data show it"),
        ],
        "No network can be more accurate on noisy labels than the labels; a large one memorises "
        "the wrong ones.",
        "among the 50 training samples of the largest loss, several labels are wrong",
        ["look at the labels of the largest losses", "early stopping", "label smoothing"],
    ),
    Cause(
        "imbalance",
        "one class is more frequent than others",
        {"stagnant": 0.2, "underfit": 0.15},
        [
            (names_the_largest_class, 12.0, "one class is always named"),
            (has_finding("imbalance", "missing_classes"), DATA, "the data show it"),
        ],
        "Always predicting the most frequent class lowers the loss fast, and looks like progress.",
        "the confusion matrix has one full column; balanced accuracy is near 1 / classes",
        ["class weights", "balanced accuracy as a second metric", "more of the rare classes"],
    ),
    Cause(
        "too_little_data",
        "there are too few training samples",
        {"overfit": 1.0},
        [
            (apart_from_the_start, 0.5, ""),
            (is_small, 2.0, f"there are fewer than {SMALL:,}"),
            (is_large, 0.5, ""),
            (is_at_chance, 0.2, ""),
        ],
        "With few samples, the network learns random differences, which new samples do not have.",
        "with half of the training samples, validation is clearly worse",
        ["more data", "augmentation (Example 2)", "weights trained on a larger set"],
    ),
    Cause(
        "too_large_network",
        "the network is too large for its data",
        {"overfit": 0.9},
        [(is_at_chance, 0.3, "")],
        "It can memorise every sample, and does so after it has learned the common patterns; from "
        "then on the validation loss rises.",
        "with half the units, training is a little worse and validation is not",
        [
            "dropout of 0.25 and 0.5 (Example 3)",
            "weight decay or L2",
            "early stopping",
            "fewer units",
        ],
    ),
    Cause(
        "memorised_noise",
        "there is nothing to learn: labels are unrelated to images",
        {"overfit": 0.1},
        [(is_at_chance, 20.0, "validation is at the level of guessing")],
        "Training accuracy comes only from memory, so validation stays at chance.",
        "with shuffled labels, both curves look the same",
        ["check how images and labels were joined, and that both are shuffled in the same way"],
    ),
    Cause(
        "leakage",
        "validation images are in the training set",
        {"suspicious": 1.0},
        [
            (has_finding("duplicates", "near_duplicates"), DATA, "the data show it"),
            (is_rule("by_heart", "above_labels"), 4.0, "validation is as good as memory"),
            (is_rule("worse_than_guessing", "contradicts_training"), 0.05, ""),
        ],
        "The network recognises images from training: the validation accuracy says nothing about "
        "new images.",
        "hashes, file names or neighbours of validation samples that are also in training",
        ["split before augmenting, and by source (patient, video)", "remove duplicates first"],
    ),
    Cause(
        "biased_split",
        "validation samples differ from training samples",
        {"suspicious": 0.8, "overfit": 0.2},
        [
            (
                apart_from_the_start,
                6.0,
                "validation is far below training from the first epoch on",
            ),
            (has_finding("split_differs", "missing_classes"), DATA, "the data show it"),
            (
                is_rule("worse_than_guessing", "contradicts_training"),
                4.0,
                "validation contradicts training",
            ),
            (is_rule("by_heart", "above_labels"), 0.1, ""),
        ],
        "validation_split takes the last samples before any shuffling: in files sorted by class "
        "these are the last classes, which training never sees.",
        "a new split, shuffled and stratified (or by group), gives another validation accuracy",
        ["shuffle before splitting, stratified by class", "split by group if there are groups"],
    ),
    Cause(
        "other_preprocessing",
        "training and validation images are prepared differently",
        {"suspicious": 0.5, "overfit": 0.1},
        [
            (
                apart_from_the_start,
                6.0,
                "validation is far below training from the first epoch on",
            ),
            (has_finding("pixels_differ"), DATA, "the data show it"),
            (is_rule("by_heart", "above_labels"), 0.1, ""),
        ],
        "Rescaling or reordering the colours of only one part makes its images look different.",
        "evaluated as validation data, the training samples get the same low accuracy",
        ["one function for both", "compare mean and range of a batch of each"],
    ),
    Cause(
        "trained_too_long",
        "training went on after validation was best",
        {"overfit": 0.6},
        [
            (validation_turned, 4.0, "the validation loss was lowest in the first half"),
            (accuracy_peaked, 1.5, "validation accuracy has fallen since its peak"),
            (is_at_chance, 0.2, ""),
        ],
        "After the common patterns, the network learns single samples, and grows too sure of them.",
        "the weights of the best epoch have the same validation accuracy, or a better one",
        ["early stopping with the best weights (patience 2)", "a lower rate after the best epoch"],
    ),
    Cause(
        "unstable_validation",
        "validation is not measured steadily",
        {"overfit": 0.2, "underfit": 0.1},
        [(validation_jumps, 8.0, "validation accuracy jumps from epoch to epoch")],
        "Few validation samples, a high rate, or BatchNormalization's moving statistics, which "
        "follow small batches late, move it by chance.",
        "with the same weights, another or a larger validation set gives another accuracy",
        ["more validation samples", "a tenth of the rate at the end", "larger batches"],
    ),
)
