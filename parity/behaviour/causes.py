"""Causes of bad training and their remedies: the article's list, ranked for one history.

Each cause has a weight for every verdict that it explains, and signs in the history or the data: a
sign that is seen multiplies the weight. The weights are divided by their sum, so that the
confidences of all causes add up to 1. They give an order; they are not probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parity.behaviour.audit.findings import Finding
from parity.behaviour.judgement import Judgement
from parity.traces.trace import History

MAX_CAUSES = 4
DATA = 20.0  # factor of a sign in the data: it outweighs signs in the curves
MIN_CONFIDENCE = 0.08  # less likely causes are not listed
SMALL = 1000  # training samples


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
        """Returns the finite values of a column."""
        return [value for value in self.history.get(key, []) if math.isfinite(value)]

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
        remedies: what to try, most promising first.
    """

    id: str
    title: str
    weights: Mapping[str, float]
    signs: Sequence[Sign]
    reason: str
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
        seen = [(factor, told) for is_seen, factor, told in cause.signs if is_seen(evidence)]
        weight *= math.prod(factor for factor, _ in seen)
        found.append((weight, cause, tuple(told for factor, told in seen if factor > 1)))
    total = sum(weight for weight, _, _ in found)
    if total == 0:
        return ()
    found.sort(key=lambda entry: -entry[0])
    ranked = [RankedCause(cause, weight / total, signs) for weight, cause, signs in found]
    return tuple(entry for entry in ranked if entry.confidence >= MIN_CONFIDENCE)[:MAX_CAUSES]


def _has(*ids: str) -> Callable[[Observations], bool]:
    return lambda evidence: any(name in evidence.findings for name in ids)


def _is(*rules: str) -> Callable[[Observations], bool]:
    return lambda evidence: evidence.judgement.rule in rules


def _rate(evidence: Observations) -> float | None:
    rates = evidence.column("learning_rate")
    return rates[0] if rates else None


def _is_below(rate: float | None, limit: float) -> bool:
    return rate is not None and rate < limit


def _was_cut_early(evidence: Observations) -> bool:
    rates = evidence.column("learning_rate")
    return len(rates) > 2 and rates[len(rates) // 2] < 0.1 * rates[0]


def _is_short(evidence: Observations) -> bool:
    return evidence.judgement.num_epochs <= 3


def _is_flat(evidence: Observations) -> bool:
    return evidence.judgement.num_epochs > 3 and not evidence.is_improving


def _trains_below_validation(evidence: Observations) -> bool:
    """Whether Keras's running training accuracy is far below validation: dropout is on."""
    train, val = evidence.column("accuracy"), evidence.column("val_accuracy")
    return bool(train and val) and train[-1] < val[-1] - 0.02


def _is_at_chance(evidence: Observations) -> bool:
    judgement = evidence.judgement
    if judgement.chance is None or judgement.val_accuracy is None:
        return False
    return judgement.val_accuracy < judgement.chance + 0.05


def _is_small(evidence: Observations) -> bool:
    return evidence.num_train is not None and evidence.num_train < SMALL


def _is_large(evidence: Observations) -> bool:
    return evidence.num_train is not None and evidence.num_train >= SMALL


def _loss_exploded(evidence: Observations) -> bool:
    loss = evidence.column("loss")
    return len(loss) > 1 and loss[-1] > 2 * loss[0]


CAUSES = (
    Cause(
        "low_learning_rate",
        "the learning rate is too low",
        {"stagnant": 1.0, "underfit": 0.4},
        [
            (lambda e: _is_below(_rate(e), 5e-5), 6.0, "it starts below 5e-5"),
            (_was_cut_early, 3.0, "it was reduced to a tenth in the first half of training"),
            (lambda e: _rate(e) is not None and not _is_below(_rate(e), 5e-4), 0.4, ""),
        ],
        "Steps are so small that the loss hardly falls in each epoch.",
        ["a rate ten times as high (Adam: 1e-3)", "ReduceLROnPlateau with more patience"],
    ),
    Cause(
        "high_learning_rate",
        "the learning rate is too high",
        {"diverged": 1.0, "stagnant": 0.3},
        [
            (
                lambda e: _rate(e) is not None and not _is_below(_rate(e), 0.01),
                4.0,
                "it is 0.01 or more",
            ),
            (_loss_exploded, 2.0, "the loss has grown"),
        ],
        "Steps jump over the minimum, and each one makes the loss and the next step larger.",
        ["a rate a tenth as high", "gradient clipping (clipnorm=1)", "a warm-up"],
    ),
    Cause(
        "broken_numbers",
        "an input or an operation that is not finite",
        {"diverged": 0.6},
        [(_is("not_finite"), 2.0, "a loss is not finite")],
        "log(0), a division by zero or a NaN in the images makes every weight NaN in one step.",
        ["look for NaN in the images", "a loss from logits instead of a softmax and a logarithm"],
    ),
    Cause(
        "too_few_epochs",
        "training was too short",
        {"underfit": 0.8},
        [
            (lambda e: e.is_improving, 3.0, "accuracy was still rising at the end"),
            (_is_short, 3.0, "there are no more than three epochs"),
            (_is_flat, 0.1, ""),
        ],
        "The network could do better, and was still improving when training ended.",
        ["more epochs, with early stopping as a limit"],
    ),
    Cause(
        "too_little_capacity",
        "the network is too small",
        {"underfit": 1.0, "stagnant": 0.3},
        [(_is_flat, 2.5, "training accuracy has reached a plateau below the target")],
        "Too few filters or units cannot represent the classes: training and validation accuracy "
        "stop together.",
        ["more filters and a hidden layer (Example 1)", "then a schedule: ReduceLROnPlateau"],
    ),
    Cause(
        "unsuitable_architecture",
        "the architecture does not suit the task",
        {"underfit": 0.5, "stagnant": 0.6},
        [(_is_flat, 1.5, "training accuracy has reached a plateau below the target")],
        "Any number of layers without a non-linearity is one linear map; dead ReLUs or a softmax "
        "in the wrong place stop the gradient.",
        ["an activation after every hidden layer", "a known network for images of this size"],
    ),
    Cause(
        "strong_regularisation",
        "the regularisation is too strong",
        {"underfit": 0.4, "stagnant": 0.5},
        [(_trains_below_validation, 3.0, "training, with dropout on, is below validation")],
        "Penalties, dropout or augmentation leave the network too little to learn from.",
        ["half the dropout rate, a tenth of the penalty", "milder augmentation"],
    ),
    Cause(
        "noisy_labels",
        "labels are wrong",
        {"underfit": 0.3, "overfit": 0.3},
        [(_has("label_noise", "contradicting_labels"), DATA, "the data show it")],
        "No network can be more accurate on noisy labels than the labels; a large one memorises "
        "the wrong ones.",
        ["look at the images with the suspected labels", "early stopping", "label smoothing"],
    ),
    Cause(
        "imbalance",
        "one class is more frequent than others",
        {"stagnant": 0.2, "underfit": 0.15},
        [(_has("imbalance", "missing_classes"), DATA, "the data show it")],
        "Always predicting the most frequent class lowers the loss fast, and looks like progress.",
        ["class weights", "balanced accuracy as a second metric", "more of the rare classes"],
    ),
    Cause(
        "too_little_data",
        "there are too few training samples",
        {"overfit": 1.0},
        [
            (_is_small, 2.0, f"there are fewer than {SMALL:,}"),
            (_is_large, 0.5, ""),
            (_is_at_chance, 0.2, ""),
        ],
        "With few samples, the network learns random differences, which new samples do not have.",
        ["more data", "augmentation (Example 2)", "weights trained on a larger set"],
    ),
    Cause(
        "too_large_network",
        "the network is too large for its data",
        {"overfit": 0.9},
        [(_is_at_chance, 0.3, "")],
        "It can memorise every sample, and does so after it has learned the common patterns; from "
        "then on the validation loss rises.",
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
        [(_is_at_chance, 20.0, "validation is at the level of guessing")],
        "Training accuracy comes only from memory, so validation stays at chance.",
        ["check how images and labels were joined, and that both are shuffled in the same way"],
    ),
    Cause(
        "leakage",
        "validation images are in the training set",
        {"suspicious": 1.0},
        [
            (_has("duplicates", "near_duplicates"), DATA, "the data show it"),
            (_is("by_heart", "above_labels"), 4.0, "validation is as good as memory"),
            (_is("worse_than_guessing", "contradicts_training"), 0.05, ""),
        ],
        "The network recognises images from training: the validation accuracy says nothing about "
        "new images.",
        ["split before augmenting, and by source (patient, video)", "remove duplicates first"],
    ),
    Cause(
        "biased_split",
        "validation samples differ from training samples",
        {"suspicious": 0.8, "overfit": 0.2},
        [
            (_has("split_differs", "missing_classes"), DATA, "the data show it"),
            (
                _is("worse_than_guessing", "contradicts_training"),
                4.0,
                "validation contradicts training",
            ),
            (_is("by_heart", "above_labels"), 0.1, ""),
        ],
        "validation_split takes the last samples before any shuffling: in files sorted by class "
        "these are the last classes, which training never sees.",
        ["shuffle before splitting, stratified by class", "split by group if there are groups"],
    ),
    Cause(
        "other_preprocessing",
        "training and validation images are prepared differently",
        {"suspicious": 0.5, "overfit": 0.1},
        [
            (_has("pixels_differ"), DATA, "the data show it"),
            (_is("by_heart", "above_labels"), 0.1, ""),
        ],
        "Rescaling or reordering the colours of only one part makes its images look different.",
        ["one function for both", "compare mean and range of a batch of each"],
    ),
)
