"""The verdict on a fit: histories that a practitioner labelled, and each rule at its limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_histories import LABELLED, WILD
from rows import each_row

from parity.behaviour.readers.tables import keras_names
from parity.behaviour.rules import VERDICTS, Expectation, expectation_of, judge
from parity.programs.run_spec import EarlyStopping, RunSpec


def history(train, val, *, loss=0.5, val_loss=0.5):
    """Two epochs that end with these values."""
    return {
        "loss": [2.0, loss],
        "accuracy": [0.1, train],
        "val_loss": [2.0, val_loss],
        "val_accuracy": [0.1, val],
    }


def verdict(values, **known):
    return judge(values, Expectation(**known)).verdict


@pytest.mark.parametrize(
    ("values", "known", "label"),
    [case[1:] for case in LABELLED],
    ids=[case[0] for case in LABELLED],
)
def test_the_verdict_is_the_label_that_a_practitioner_gave(values, known, label):
    judged = judge(values, Expectation(**known))
    assert judged.verdict == label, judged.because


@pytest.mark.parametrize("samples", [200, 500, 600, 1000])
def test_a_gap_of_exactly_the_limit_never_counts_as_overfit(samples):
    # Accuracies of k and k - samples / 20 right answers, as either precision stores them.
    for right in range(math.ceil(0.9 * samples), samples + 1):
        for dtype in (np.float32, np.float64):
            train, val = (float(dtype(n / samples)) for n in (right, right - samples // 20))
            assert verdict(history(train, val)) == "good_fit"


def test_the_noise_of_training_samples_counts_too():
    # sqrt(0.09 / 100 + 0.16 / 400) * 1.645 by hand.
    judged = judge(history(0.9, 0.8), Expectation(num_train=100, num_val=400))
    assert judged.gap_error == pytest.approx(1.645 * 0.0360555, rel=1e-5)


def misled(excess, val=0.2, penalty=0.0):
    """A validation loss that is never nearer to the training loss than `excess`."""
    values = history(0.99, val, loss=0.5 + penalty, val_loss=0.5 + penalty + excess)
    values["loss"][0] += penalty
    values["val_loss"][0] = 9.0 + penalty
    return values


def by_heart(ratio, accuracy=1.0, early=0.9, is_eval=False):
    """Learned slowly, and as well on new images as on its own."""
    values = {
        "accuracy": [0.5, 0.8, 0.9, accuracy],
        "val_accuracy": [0.5, 0.8, early, accuracy],
        "loss": [1.0, 0.5, 0.1, 0.01],
        "val_loss": [1.0, 0.5, 0.1, 0.01 * ratio],
    }
    measured = {"eval_accuracy": values["accuracy"], "eval_loss": values["loss"]}
    return {**values, **measured} if is_eval else values


def slow(gained, fall):
    """Accuracy rises from 0.8 by `gained`, both losses fall by the part `fall`."""
    accuracy = [0.8, 0.8 + gained / 2, 0.8 + gained]
    loss = [0.5, 0.5, 0.5 * (1 - fall)]
    return {"accuracy": accuracy, "val_accuracy": accuracy, "loss": loss, "val_loss": loss}


AT_LIMITS = [
    # the gap is looked at before the level; exactly at a limit is not beyond it
    *(
        (history(train, val), {}, expected)
        for train, val, expected in [
            (0.98, 0.99, "good_fit"),
            (0.6, 0.5, "overfit"),
            # A running mean below validation: in eval mode the level is at least that.
            (0.89, 0.99, "good_fit"),
            (1.0, 0.95, "good_fit"),
            (0.3, 0.25, "underfit"),
            (0.9, 0.9, "good_fit"),
            # One sample of the full MNIST further.
            (1.0, 0.95 - 1 / 50_000, "overfit"),
            (0.9 - 1 / 50_000, 0.85, "underfit"),
        ]
    ),
    # a gap within the noise of few samples: 1.645 * sqrt(0.9 * 0.1 / 20) = 0.110
    (history(1.0, 0.9), {"num_val": 20}, "good_fit"),
    (history(1.0, 0.9), {"num_val": 200}, "overfit"),
    # an epoch without validation is not diverged
    (
        {**history(0.99, 0.98), "val_loss": [math.nan, 0.5], "val_accuracy": [math.nan, 0.98]},
        {},
        "good_fit",
    ),
    # a loss that explodes or comes back is diverged
    *(
        (
            {
                "loss": loss,
                "accuracy": [0.5, 0.95, 0.95][-len(loss) :],
                "val_accuracy": [0.5, 0.95, 0.95][-len(loss) :],
            },
            {},
            expected,
        )
        for loss, expected in [
            ([1.0, 1.9], "good_fit"),
            ([1.0, 2.0], "diverged"),  # twice the first
            ([1.0, 0.5, 1.0], "diverged"),  # back at the start
            ([1.0, 0.5, 0.99], "good_fit"),
            ([1.0, 0.6, 1.1], "good_fit"),  # never was at half of it
        ]
    ),
    # validation worse than guessing is suspicious only beyond noise
    # Guessing among 10 classes with 1000 samples: 0.1 - 3 * 0.00949 = 0.0715.
    # Of few samples none may be right by chance: 0.1 - 3 * 0.0949 < 0.
    (history(0.99, 0.071), {**{"num_classes": 10, "num_val": 1000}}, "suspicious"),
    (history(0.99, 0.072), {**{"num_classes": 10, "num_val": 1000}}, "overfit"),
    (history(0.99, 0.0), {"num_classes": 10, "num_val": 10}, "overfit"),
    # a validation loss far above guessing from the start is suspicious
    (misled(2.88), {**{"num_classes": 10}}, "suspicious"),
    (misled(2.87), {**{"num_classes": 10}}, "overfit"),
    # a penalty in both losses accuses nobody
    (misled(2.87, penalty=5.0), {"num_classes": 10}, "overfit"),
    (misled(2.88, penalty=5.0), {"num_classes": 10}, "suspicious"),
    # validation that has learned what training teaches is not misled
    # A fifth of the way from 0.1 to 1 is 0.28.
    (misled(9.0, val=0.28), {"num_classes": 10}, "suspicious"),
    (misled(9.0, val=0.29), {"num_classes": 10}, "overfit"),
    # validation above what the labels allow is suspicious
    # 0.8 + 3 * sqrt(0.83 * 0.17 / 1000) = 0.8356.
    (history(0.99, 0.84), {**{"ceiling": 0.8, "num_val": 1000}}, "suspicious"),
    (history(0.99, 0.83), {**{"ceiling": 0.8, "num_val": 1000}}, "overfit"),
    # validation known as well as training by heart is suspicious
    *(
        (values, {}, expected)
        for values, expected in [
            (by_heart(1.0), "suspicious"),
            (by_heart(1.49), "suspicious"),
            (by_heart(1.51), "good_fit"),
            # Dropout or augmentation keep a running mean below 0.999: nothing is known by heart.
            (by_heart(1.0, accuracy=0.998), "good_fit"),
            (by_heart(1.0, accuracy=0.999), "suspicious"),
            (by_heart(1.0, accuracy=0.994, is_eval=True), "good_fit"),
            (by_heart(1.0, accuracy=0.996, is_eval=True), "suspicious"),
            # An easy task is known on new images after three passes, before there is any memory.
            (by_heart(1.0, early=0.95), "good_fit"),
            (by_heart(1.0, early=0.949), "suspicious"),
            (by_heart(1.0, early=0.95, is_eval=True), "suspicious"),
        ]
    ),
    # training that gains little is stagnant
    *(
        (
            {
                "accuracy": [0.4, 0.4 + gained / 2, 0.4 + gained],
                "val_accuracy": [0.4, 0.4 + gained / 2, 0.4 + gained],
            },
            {},
            expected,
        )
        for gained, expected in [(0.05, "stagnant"), (0.06, "underfit")]
    ),
    # training near to guessing is stagnant
    # A tenth of the way from 0.1 to 0.9 ends at 0.18.
    *(
        (
            {"accuracy": [0.05, 0.1, level], "val_accuracy": [0.05, 0.1, level]},
            {"num_classes": 10},
            expected,
        )
        for level, expected in [(0.17, "stagnant"), (0.19, "underfit")]
    ),
    # two epochs are no curve to stagnate on
    ({"accuracy": [0.4, 0.41], "val_accuracy": [0.4, 0.4]}, {}, "underfit"),
    # a run that starts high and still learns is not stagnant
    *(
        (slow(gained, fall), {}, expected)
        for gained, fall, expected in [
            (0.021, 0.11, "underfit"),
            (0.021, 0.09, "stagnant"),
            (0.019, 0.11, "stagnant"),
        ]
    ),
    # losses far apart are overfit without accuracies
    *(
        ({"loss": loss, "val_loss": val_loss}, {}, expected)
        for loss, val_loss, expected in [
            ([1.0, 0.5, 0.03], [1.0, 0.45, 0.40], "overfit"),
            ([1.0, 0.5, 0.1], [1.0, 0.3, 0.301], "overfit"),
            ([1.0, 0.5, 0.1], [1.0, 0.3, 0.299], "undecided"),
            # Three times next to nothing is next to nothing.
            ([1.0, 0.5, 0.01], [1.0, 0.05, 0.05], "undecided"),
            # A training loss that did not fall says nothing about memory.
            ([0.1, 0.1, 0.1], [1.0, 0.6, 0.4], "stagnant"),
        ]
    ),
    # validation alone shows a good fit and no other level
    (
        {
            **{"loss": [1.0, 0.5, 0.3], "val_loss": [1.0, 0.5, 0.35]},
            "val_accuracy": [0.5, 0.8, 0.9],
        },
        {},
        "good_fit",
    ),
    (
        {
            **{"loss": [1.0, 0.5, 0.3], "val_loss": [1.0, 0.5, 0.35]},
            "val_accuracy": [0.5, 0.8, 0.89],
        },
        {},
        "undecided",
    ),
    # a gap after one epoch is nothing learned by heart
    ({"accuracy": [0.7], "val_accuracy": [0.6]}, {}, "underfit"),
    ({"accuracy": [0.95], "val_accuracy": [0.85]}, {}, "undecided"),
    ({"accuracy": [0.95], "val_accuracy": [0.94]}, {}, "good_fit"),
    # a regression is not judged by an accuracy that does not fit it
    (
        {**{"accuracy": [0.0, 0.01, 0.01], "val_accuracy": [0.0] * 3}, "loss": [1.0, 0.5, 0.4]},
        {},
        "undecided",
    ),
    (
        {**{"accuracy": [0.0, 0.01, 0.01], "val_accuracy": [0.0] * 3}, "loss": [1.0, 0.8, 0.6]},
        {},
        "stagnant",
    ),
    # the epoch that counts gives the level
    ({"accuracy": [0.5, 0.95, 1.0], "val_accuracy": [0.5, 0.93, 0.8]}, {}, "overfit"),
    ({"accuracy": [0.5, 0.95, 1.0], "val_accuracy": [0.5, 0.93, 0.8]}, {"epoch": 1}, "good_fit"),
]


@each_row(("values", "known", "expected"), AT_LIMITS)
def test_a_verdict_changes_at_its_limit(values, known, expected):
    assert verdict(values, **known) == expected


FALLING = [1.0, 0.5, 0.3]
RISING = [0.5, 0.8, 0.95]
# history, what is known, rule, and its sentence
SENTENCES = [
    ({}, {}, "no_epoch", "the history has no epoch"),
    ({"eval_loss": [1.0, 0.5, math.inf]}, {}, "not_finite", "eval_loss is inf in epoch 3"),
    ({"val_loss": [-math.inf, 0.5]}, {}, "not_finite", "val_loss is -inf in epoch 1"),
    ({"loss": [math.nan, 0.5]}, {}, "not_finite", "loss is nan in epoch 1"),
    (
        {"loss": [1.5, 0.5, 1.75]},
        {},
        "lost",
        "the training loss ends at 1.75, not below its first (1.5), after 0.5 in epoch 2",
    ),
    (
        {"loss": [1.5, 1.0, 0.5, 1.75]},
        {},
        "lost",
        "the training loss ends at 1.75, not below its first (1.5), after 0.5 in epoch 3",
    ),
    (
        {"accuracy": RISING, "val_accuracy": [0.5, 0.8, 0.85]},
        {"ceiling": 0.8},
        "above_labels",
        "validation accuracy is 0.850, above the 0.800 that the labels allow: training has seen "
        "validation images",
    ),
    (
        {"eval_accuracy": [0.5, 0.8, 0.9], "val_accuracy": [0.5, 0.8, 0.96]},
        {},
        "above_training",
        "validation accuracy is 0.960, above the 0.900 of training in eval mode",
    ),
    (
        {"accuracy": RISING, "val_accuracy": [0.05, 0.05, 0.06]},
        {"num_classes": 10, "num_val": 1000},
        "worse_than_guessing",
        "validation accuracy is 0.060, worse than guessing (0.100): the validation samples differ "
        "from the training samples",
    ),
    (
        {
            "accuracy": RISING,
            "val_accuracy": [0.2] * 3,
            "loss": FALLING,
            "val_loss": [9.0, 4.0, 4.0],
        },
        {"num_classes": 10},
        "contradicts_training",
        "the validation loss is never within 3.5 of the training loss, while guessing gives 2.3: "
        "the training data mislead about the validation samples",
    ),
    (
        {
            "eval_accuracy": [0.5, 0.9, 1.0],
            "val_accuracy": [0.5, 0.9, 1.0],
            "eval_loss": [1.0, 0.1, 0.01],
            "val_loss": [1.0, 0.1, 0.012],
        },
        {},
        "by_heart",
        "the training images are known by heart (loss 0.01), and those of validation just as well "
        "(loss 0.012)",
    ),
    (
        {"loss": [20.0, 19.5, 19.0]},
        {},
        "no_progress",
        "the training loss has hardly changed from 20",
    ),
    (
        {"accuracy": [0.5, 0.53, 0.52]},
        {},
        "no_progress",
        "training accuracy is 0.520, below 0.900, and has gained no more than 0.030 since the "
        "first epoch",
    ),
    (
        {"accuracy": [0.05, 0.12, 0.15]},
        {"num_classes": 10},
        "at_chance",
        "training accuracy is 0.150, close to guessing (0.100)",
    ),
    (
        {"accuracy": [0.9, 0.95, 0.95], "val_accuracy": [0.95] * 3, "val_loss": [0.3, 0.2, 0.2]},
        {},
        "one_class",
        "validation accuracy is 0.950 in every epoch, and its loss 0.2 is no better than always "
        "naming one class",
    ),
    (
        {"accuracy": RISING, "val_accuracy": [0.5, 0.8, 0.85]},
        {},
        "gap",
        "training is better than validation by 0.100",
    ),
    (
        {"accuracy": RISING, "val_accuracy": [0.5, 0.8, 0.5]},
        {"num_val": 25},
        "gap",
        # 1.645 sqrt(0.5 * 0.5 / 25)
        "training is better than validation by 0.450 (±0.165)",
    ),
    (
        {"accuracy": [0.95], "val_accuracy": [0.85]},
        {},
        "one_epoch",
        "training is better than validation by 0.100 after a single epoch, in which nothing is "
        "learned by heart; train longer",
    ),
    *(
        (
            {"accuracy": [0.9, 0.95], "val_accuracy": [0.9, 0.92], "val_loss": val_loss},
            {},
            "turned",
            "training is better than validation by 0.030, and the validation loss is 1.75 times "
            f"its minimum of epoch {number}",
        )
        for number, val_loss in enumerate(
            ([1.0, 1.75], [1.5, 1.0, 1.75], [1.5, 1.5, 1.0, 1.75]), start=1
        )
    ),
    (
        {"loss": FALLING, "val_loss": [1.0, 0.5, 0.75]},
        {},
        "turned",
        "the validation loss is 1.50 times its minimum, but the training loss fell",
    ),
    (
        {"loss": [1.0, 0.5, 0.25], "val_loss": [2.0, 1.0, 1.0]},
        {},
        "apart",
        "the validation loss is 1, 4.0 times the training loss",
    ),
    ({"accuracy": [0.5, 0.7, 0.8]}, {}, "below_target", "training accuracy is 0.800, below 0.900"),
    (
        {"loss": FALLING, "val_accuracy": [0.5, 0.8, 0.92]},
        {},
        "validation_alone",
        "validation accuracy is 0.920, above 0.900; the history has no training accuracy, but "
        "training is hardly worse",
    ),
    ({"loss": FALLING}, {}, "no_training", "the history has no training accuracy"),
    ({"accuracy": RISING}, {}, "no_validation", "the history has no validation accuracy"),
    (
        {"accuracy": RISING, "val_accuracy": [0.5, 0.8, 0.93]},
        {},
        "none",
        "training accuracy is 0.950, above 0.900, and validation is not lower by more than 0.05 "
        "and noise",
    ),
]


@pytest.mark.parametrize(
    ("values", "known", "rule", "sentence"), SENTENCES, ids=[case[2] for case in SENTENCES]
)
def test_each_rule_says_its_numbers(values, known, rule, sentence):
    judged = judge(values, Expectation(**known))
    assert (judged.rule, judged.because) == (rule, sentence)


def test_a_judgement_has_the_numbers_of_the_curves():
    values = {
        "loss": [2.0, 1.0, 0.0],
        "accuracy": [0.5, 0.75, 0.75],
        "val_loss": [2.0, 1.0, 1.5],
        "val_accuracy": [0.5, 0.5, 0.625],
    }
    judged = judge(values, Expectation(num_classes=4, target=0.7))
    assert (judged.num_epochs, judged.train_accuracy, judged.val_accuracy) == (3, 0.75, 0.625)
    assert (judged.gap, judged.gap_error, judged.is_eval) == (0.125, None, False)
    assert (judged.target, judged.chance) == (0.7, 0.25)
    assert (judged.best_epoch_number, judged.val_loss_rise) == (2, 1.5)
    assert judged.epochs_to_plateau == pytest.approx(2.8)


def rule_of(values, **known):
    return judge(values, Expectation(**known)).rule


def in_eval_mode(**columns):
    """Known by heart in eval mode, and in validation as well, in three epochs."""
    known = {"accuracy": [0.5, 0.9, 1.0], "loss": [1.0, 0.1, 0.01]}
    values = {f"{part}_{key}": column for key, column in known.items() for part in ("eval", "val")}
    return {key: column for key, column in (values | columns).items() if column}


def constant_rates(**columns):
    """One class in three epochs, which is right in 95 % of the images."""
    values = {
        "accuracy": [0.9, 0.95, 0.95],
        "val_accuracy": [0.95] * 3,
        "val_loss": [0.3, 0.2, 0.2],
    }
    return {key: column for key, column in (values | columns).items() if column}


ENTROPY = -0.95 * math.log(0.95) - (1 - 0.95) * math.log(1 - 0.95)
NEAR_ZERO = [0.0001, 0.0001, 0.0002]
AT_TARGET = 0.9 - 1e-6  # what float32 may make of it
LIMITS = {
    "the rounding of the target": ({"accuracy": [0.5, AT_TARGET]}, {}, "no_validation"),
    "the rounding of the target from the start": (
        {"accuracy": [AT_TARGET] * 3},
        {},
        "no_validation",
    ),
    "the rounding of the target after one epoch": (
        {"accuracy": [AT_TARGET], "val_accuracy": [0.0]},
        {},
        "one_epoch",
    ),
    "the rounding of the target in validation": (
        {"loss": FALLING, "val_accuracy": [0.5, 0.8, AT_TARGET]},
        {},
        "validation_alone",
    ),
    "the rounding of a gap": (
        {"accuracy": [0.0, 0.05 + 1e-6], "val_accuracy": [0.0, 0.0]},
        {"target": 0.0},
        "none",
    ),
    "a training loss that is no number has no missing validation for an excuse": (
        {"loss": [1.0, math.nan], "val_loss": [1.0, 0.5]},
        {},
        "not_finite",
    ),
    "a loss of 0 is not lost": ({"loss": [0.0, 0.0]}, {}, "no_training"),
    "a negative loss is not lost": ({"loss": [-0.5, -0.5]}, {}, "no_training"),
    "training at half the way to the target has not learned": (
        history(0.5, 0.0),
        {"num_classes": 10, "num_val": 1000},
        "gap",
    ),
    "training beyond it has": (
        history(0.51, 0.0),
        {"num_classes": 10, "num_val": 1000},
        "worse_than_guessing",
    ),
    "exactly what the labels allow": (history(0.99, 0.8), {"ceiling": 0.8}, "gap"),
    "more than the labels allow": (history(0.99, 0.81), {"ceiling": 0.8}, "above_labels"),
    "validation above training by the limit": (
        {"eval_accuracy": [0.0, 0.0], "val_accuracy": [0.0, 0.05]},
        {},
        "below_target",
    ),
    "validation that equals training": (
        {"eval_accuracy": [0.5, 0.95], "val_accuracy": [0.5, 0.95]},
        {},
        "none",
    ),
    # 1.645 sqrt(0.96 * 0.04 / 20) = 0.072.
    "validation above training by chance": (
        {"eval_accuracy": [0.5, 0.9], "val_accuracy": [0.5, 0.96]},
        {"num_val": 20},
        "none",
    ),
    "validation above training by more than chance": (
        {"eval_accuracy": [0.5, 0.9], "val_accuracy": [0.5, 0.96]},
        {"num_val": 200},
        "above_training",
    ),
    "unknown classes contradict nobody": (
        {**history(0.99, 0.2), "val_loss": [9.0, 9.0]},
        {"chance": 0.1},
        "gap",
    ),
    "without a training loss the validation loss alone": (
        {"accuracy": [0.1, 0.99], "val_accuracy": [0.1, 0.2], "val_loss": [9.0, 2.88]},
        {"num_classes": 10},
        "contradicts_training",
    ),
    "without a training loss at the limit": (
        {
            "accuracy": [0.1, 0.99],
            "val_accuracy": [0.1, 0.2],
            "val_loss": [9.0, 1.25 * math.log(10)],
        },
        {"num_classes": 10},
        "gap",
    ),
    "no validation loss contradicts nobody": (
        {"accuracy": [0.1, 0.99], "val_accuracy": [0.1, 0.2]},
        {"num_classes": 10},
        "gap",
    ),
    "a short curve has no progress to lack": ({"loss": [1.0, 0.99]}, {}, "no_training"),
    "a twentieth of the first loss is no progress": (
        {"loss": [-20.0, -20.5, -21.0]},
        {},
        "no_progress",
    ),
    "more than a twentieth is": ({"loss": [20.0, 18.9, 19.5]}, {}, "no_training"),
    "a gain of the limit is no progress": ({"accuracy": [0.0, 0.02, 0.05]}, {}, "no_progress"),
    "a gain above the limit is": ({"accuracy": [0.0, 0.02, 0.051]}, {}, "below_target"),
    # From 0.0 to 0.5 a tenth of the way is 0.05.
    "at the limit of chance": (
        {"accuracy": [0.0, 0.2, 0.05]},
        {"chance": 0.0, "target": 0.5},
        "at_chance",
    ),
    "above the limit of chance": (
        {"accuracy": [0.0, 0.2, 0.051]},
        {"chance": 0.0, "target": 0.5},
        "below_target",
    ),
    "a steady gain of the limit": (
        {"accuracy": [0.0, 0.01, 0.02], "loss": [1.0, 0.9, 0.8], "val_loss": [1.0, 0.9, 0.8]},
        {},
        "below_target",
    ),
    "a steady gain with the training loss alone": (
        {"accuracy": [0.0, 0.01, 0.02], "loss": [1.0, 0.9, 0.8]},
        {},
        "below_target",
    ),
    "a steady gain without a loss": ({"accuracy": [0.0, 0.01, 0.02]}, {}, "no_progress"),
    "a steady gain with one loss that stays": (
        {"accuracy": [0.0, 0.01, 0.02], "loss": [1.0, 0.9, 0.8], "val_loss": [1.0, 1.0, 1.0]},
        {},
        "no_progress",
    ),
    "a gap of the smaller limit": (
        {"accuracy": [0.0, 0.02], "val_accuracy": [0.0, 0.0], "val_loss": [1.0, 2.0]},
        {"target": 0.0},
        "none",
    ),
    "a rise of the limit": (
        {"accuracy": [0.9, 0.95], "val_accuracy": [0.9, 0.92], "val_loss": [1.0, 1.5]},
        {},
        "none",
    ),
    "a lowest loss of 0 has no rise": (
        {"accuracy": [0.9, 0.95], "val_accuracy": [0.9, 0.92], "val_loss": [0.0, 1.5]},
        {},
        "none",
    ),
    # 1.645 sqrt(0.92 * 0.08 / 20) = 0.0998.
    "a rise with a gap by chance": (
        {"accuracy": [0.9, 0.95], "val_accuracy": [0.9, 0.92], "val_loss": [1.0, 2.0]},
        {"num_val": 20},
        "none",
    ),
    "losses of two epochs are not judged": (
        {"loss": [1.0, 0.5], "val_loss": [0.1, 0.5]},
        {},
        "no_training",
    ),
    "a training loss that came back": (
        {"loss": [1.0, 0.9, 1.0], "val_loss": [0.5, 0.5, 5.0]},
        {},
        "no_training",
    ),
    "a training loss that rose": (
        {"loss": [1.0, 0.9, 1.1], "val_loss": [0.5, 0.5, 5.0]},
        {},
        "no_training",
    ),
    "losses that rose by the limit": (
        {"loss": FALLING, "val_loss": [1.5, 1.0, 1.2]},
        {},
        "apart",
    ),
    "losses at three times the training loss": (
        {"loss": [1.0, 0.8, 0.5], "val_loss": [2.0, 1.8, 1.5]},
        {},
        "no_training",
    ),
    "no training loss is left": (
        {"loss": [1.0, 0.5, 0.0], "val_loss": [1.0, 0.5, 0.5]},
        {},
        "no_training",
    ),
    "a negative training loss": (
        {"loss": [1.0, 0.5, -0.5], "val_loss": [1.0, 0.5, 0.5]},
        {},
        "no_training",
    ),
    # A twentieth of the first validation loss is 1.
    "losses apart by the limit": (
        {"loss": [1.0, 0.5, 0.25], "val_loss": [20.0, 5.0, 1.25]},
        {},
        "no_training",
    ),
    "losses apart by more than the limit": (
        {"loss": [1.0, 0.5, 0.25], "val_loss": [20.0, 5.0, 1.26]},
        {},
        "apart",
    ),
    "losses apart where validation reaches the target": (
        {"loss": [1.0, 0.5, 0.25], "val_loss": [2.0, 1.0, 1.0], "val_accuracy": [0.5, 0.8, 0.9]},
        {},
        "validation_alone",
    ),
    "known by heart in eval mode": (in_eval_mode(), {}, "by_heart"),
    "at the ratio": (in_eval_mode(val_loss=[1.0, 0.1, 0.015]), {}, "by_heart"),
    "above the ratio": (in_eval_mode(val_loss=[1.0, 0.1, 0.016]), {}, "none"),
    "without a validation loss": (in_eval_mode(val_loss=[]), {}, "none"),
    "without a training loss": (in_eval_mode(eval_loss=[]), {}, "none"),
    "by heart in two epochs": ({k: c[1:] for k, c in in_eval_mode().items()}, {}, "none"),
    "nothing says that the task is easy": (
        {
            **by_heart(1.0),
            "val_accuracy": [math.nan] * 3 + [1.0],
            "val_loss": [math.nan] * 3 + [0.01],
        },
        {},
        "by_heart",
    ),
    "one class": (constant_rates(), {}, "one_class"),
    "one class in two epochs of validation": (
        constant_rates(val_accuracy=[math.nan, 0.95, 0.95]),
        {},
        "none",
    ),
    "one class in one epoch of training": (
        constant_rates(accuracy=[0.95], loss=[1.0, 0.5, 0.3]),
        {},
        "none",
    ),
    "one class, but training moves": (constant_rates(accuracy=[0.9, 0.947, 0.95]), {}, "none"),
    "one class without a loss": (constant_rates(val_loss=[]), {}, "none"),
    "one class that is never right": (constant_rates(val_accuracy=[0.0] * 3), {}, "gap"),
    "one class that is always right": (
        constant_rates(accuracy=[1.0] * 3, val_accuracy=[1.0] * 3),
        {},
        "none",
    ),
    # Both at what they may vary by, of rates near to 0.
    "rates at both limits": (
        constant_rates(accuracy=[0.0, 0.002, 0.004], val_accuracy=NEAR_ZERO),
        {"target": 0.0},
        "one_class",
    ),
    "the rate of training above it": (
        constant_rates(accuracy=[0.0, 0.002, 0.0041], val_accuracy=NEAR_ZERO),
        {"target": 0.0},
        "none",
    ),
    "the rate of validation above it": (
        constant_rates(accuracy=[0.0, 0.002, 0.004], val_accuracy=[0.0001, 0.0001, 0.00021]),
        {"target": 0.0},
        "none",
    ),
    "one class at the limit of the loss": (
        constant_rates(val_loss=[0.3, 0.3, 0.9 * ENTROPY]),
        {},
        "one_class",
    ),
    "one class below the limit of the loss": (
        constant_rates(val_loss=[0.3, 0.3, 0.89 * ENTROPY]),
        {},
        "none",
    ),
}


@pytest.mark.parametrize(("values", "known", "rule"), LIMITS.values(), ids=LIMITS)
def test_a_rule_holds_up_to_its_limit(values, known, rule):
    assert rule_of(values, **known) == rule


WILD_FIRST = WILD["first"]


@pytest.mark.parametrize("case", WILD_FIRST, ids=[case.name for case in WILD_FIRST])
def test_the_verdict_on_a_wild_history_is_one_that_its_labeller_accepts(case):
    judged = judge(keras_names(case.columns), Expectation(**case.known))
    assert judged.verdict in (case.verdict, *case.acceptable), judged.because


@pytest.mark.parametrize("half", WILD)
def test_most_verdicts_on_wild_histories_are_the_label(half):
    found = [
        judge(keras_names(case.columns), Expectation(**case.known)).verdict for case in WILD[half]
    ]
    cases = list(zip(found, WILD[half], strict=True))
    assert len(cases) >= 57
    assert sum(verdict == case.verdict for verdict, case in cases) >= 0.85 * len(cases)
    accused = [case for verdict, case in cases if verdict == "suspicious"]
    assert all("suspicious" in (case.verdict, *case.acceptable) for case in accused)
    assert sum(v in (case.verdict, *case.acceptable) for v, case in cases) >= 0.95 * len(cases)


def test_a_spec_says_what_is_to_be_expected():
    known = expectation_of(RunSpec(label_noise=0.5), {}, num_classes=10, num_train=600, num_val=200)
    # Half of the labels are drawn at random, of which a tenth is right by chance.
    assert (known.ceiling, known.target) == (pytest.approx(0.55), pytest.approx(0.9 * 0.55))
    told = (known.chance, known.num_train, known.num_val, known.epoch)
    assert told == (0.1, 600, 200, None)


def test_restored_weights_are_those_of_the_best_epoch():
    rule = EarlyStopping(patience=1, restore_best_weights=True, start_from_epoch=1)
    values = {"val_loss": [0.1, 0.5, 0.4, 0.6, 0.7]}
    sizes = {"num_classes": 10, "num_train": 1, "num_val": 1}
    assert expectation_of(RunSpec(early_stopping=rule), values, **sizes).epoch == 2
    rule = EarlyStopping(patience=1)
    assert expectation_of(RunSpec(early_stopping=rule), values, **sizes).epoch is None


columns = st.lists(st.floats(), max_size=8)


@given(
    values=st.dictionaries(
        st.sampled_from(
            ["loss", "accuracy", "val_loss", "val_accuracy", "eval_loss", "eval_accuracy", "x"]
        ),
        columns,
    ),
    num_classes=st.none() | st.integers(2, 100),
    num_val=st.none() | st.integers(1, 1000),
    epoch=st.none() | st.integers(0, 10),
)
def test_any_columns_get_a_verdict_and_a_reason(values, num_classes, num_val, epoch):
    judged = judge(values, Expectation(num_classes=num_classes, num_val=num_val, epoch=epoch))
    assert judged.verdict in VERDICTS
    assert judged.because
