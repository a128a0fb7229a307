"""The verdicts on the fit of both halves, with what a scenario says about its run."""

import re

import pytest
from ladder_runs import NAN
from trace_changes import both, epoch_value, fact

from parity.behaviour.rules import judge
from parity.ladder.comparers.training import judge_training, of_training
from parity.ladder.items import FAIL, PASS
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import EarlyStopping


def of_a_user(parts):
    """The same training of a user's own program, of which no RunSpec says anything."""
    parts.spec = ProgramSpec(keras="app:keras", torch="app:torch").to_dict()


def test_trainings_with_the_same_verdict_are_compared_by_it_alone(anchored):
    outcome = of_training(*anchored())
    assert (outcome.status, outcome.tolerance_source) == (PASS, "the same verdict")
    assert [(item.name, item.keras) for item in outcome.items] == [("verdict", "good_fit")]


@pytest.mark.parametrize("change", [both(), of_a_user], ids=["scenario", "user"])
def test_a_training_that_diverges_in_one_half_only_fails(anchored, change):
    outcome = of_training(*anchored(both(change, epoch_value("val_loss", 2, NAN)), change))
    (item,) = outcome.items
    assert (outcome.status, item.name, item.torch) == (FAIL, "verdict", "diverged")
    assert outcome.tolerance_source == "the same verdict"


# --- what the RunSpec says ------------------------------------------------------------------------


def noisy_labels(parts):
    """Both accuracies that half of the labels allow, of ten classes: 0.55."""
    parts.history["accuracy"] = [0.25, 0.5, 0.55]
    parts.history["val_accuracy"] = [0.25, 0.5, 0.54]


def test_the_labels_of_a_scenario_set_the_target(anchored):
    keras, torch = anchored(noisy_labels, noisy_labels, label_noise=0.5)
    for half in (keras, torch):
        found = judge_training(half, keras)
        # 1 - 0.5 * (1 - 1/10) of the labels are right, and nine tenths of that is the target.
        assert found.verdict == "good_fit"
        assert found.target == pytest.approx(0.9 * 0.55)
        assert found.chance == 0.1
    assert of_training(keras, torch).status == PASS
    # Without that the training would be underfit.
    assert judge(keras.history).verdict == "underfit"


def test_with_restored_weights_the_best_epoch_counts(anchored):
    def best_first(parts):
        parts.history["val_loss"] = [0.5, 0.25, 1.0]
        parts.history["accuracy"] = [0.75, 0.92, 1.0]
        parts.history["val_accuracy"] = [0.75, 0.91, 0.75]

    rule = EarlyStopping(patience=9, restore_best_weights=True)
    for settings, expected in (({"early_stopping": rule}, 0.91), ({}, 0.75)):
        keras, torch = anchored(best_first, best_first, **settings)
        assert judge_training(torch, keras).val_accuracy == expected


def test_a_program_of_a_user_is_judged_by_its_history_alone(anchored):
    keras, torch = anchored(of_a_user, of_a_user)
    assert judge_training(torch, keras) == judge(torch.history)
    # A scenario tells the number of samples, and so the noise of the accuracies.
    assert judge_training(torch, keras).gap_error is None
    assert judge_training(*anchored()).gap_error is not None


def test_a_metric_that_the_port_has_beside_keras_changes_no_verdict(anchored):
    def lacks(parts):
        of_a_user(parts)
        del parts.history["accuracy"], parts.history["val_accuracy"]

    assert of_training(*anchored(of_a_user, lacks)).status == PASS


def test_the_port_is_judged_with_what_keras_was_fed(anchored):
    def tells_nothing(parts):
        for name in ("num_classes", "num_train", "num_val"):
            del parts.facts[name]
        parts.spec = {}

    keras, torch = anchored(tells_nothing)
    assert judge_training(torch, keras) == judge_training(keras, keras)


# --- near a limit ---------------------------------------------------------------------------------


def fit_of(accuracy, val_accuracy):
    def change(parts):
        # The last epoch counts; equal ones would be those of a net that names one class.
        parts.history["accuracy"] = [0.5, 0.75, accuracy]
        parts.history["val_accuracy"] = [0.5, 0.625, val_accuracy]
        parts.facts |= {"num_train": 600, "num_val": 200}

    return change


# A gap of 0.057 is one above the limit, 0.049 is none.
OVERFIT, GOOD = fit_of(0.95, 0.893), fit_of(0.95, 0.901)
MANY = fact(100_000, "num_val")
# Both trainings, and whether chance explains that their verdicts differ.
NEAR = {
    "near the limit": (OVERFIT, GOOD, PASS),
    "the other way": (GOOD, OVERFIT, PASS),
    # Gaps of 0.20 and 0.04 are 0.16 apart; 200 samples explain up to about 0.1.
    "far apart": (fit_of(0.95, 0.75), fit_of(0.95, 0.91), FAIL),
    # With 100,000 samples 0.057 and 0.045 are two gaps.
    "many samples": (both(OVERFIT, MANY), both(fit_of(0.95, 0.905), MANY), FAIL),
    # Without the number of samples chance explains nothing.
    **{
        f"no {name}": (*(both(of_a_user, fit, fact(None, name)) for fit in (OVERFIT, GOOD)), FAIL)
        for name in ("num_train", "num_val")
    },
}


@pytest.mark.parametrize(("keras", "torch", "status"), NEAR.values(), ids=NEAR)
def test_two_verdicts_near_a_limit_pass_if_chance_explains_them(anchored, keras, torch, status):
    assert of_training(*anchored(torch, keras)).status == status


def test_trainings_that_are_compared_step_by_step_have_no_excuse(whole):
    assert of_training(*whole(GOOD, OVERFIT)).status == FAIL


def test_two_verdicts_may_differ_by_three_deviations_of_two_counts(anchored):
    outcome = of_training(*anchored(GOOD, OVERFIT))
    # One right and one wrong sample more: 571 of 602, and 180.4 of 202.
    variances = [2 * p * (1 - p) / n for p, n in ((571 / 602, 600), (180.4 / 202, 200))]
    limits = [3 * variance**0.5 for variance in (*variances, sum(variances))]
    assert [item.name for item in outcome.items] == ["train_accuracy", "val_accuracy", "gap"]
    assert [item.allowed for item in outcome.items] == pytest.approx(limits)
    assert [item.worst for item in outcome.items] == pytest.approx([0, 0.008, 0.008])
    assert re.fullmatch(
        r"the same verdict, or numbers that differ by less than chance; "
        r"Keras: overfit, training is better.*; torch: good_fit, training accuracy.*",
        outcome.tolerance_source,
    )
