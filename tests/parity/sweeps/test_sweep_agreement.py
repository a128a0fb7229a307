"""Verdicts of two halves are compared with the distance to the threshold in mind."""

import pytest

from parity.behaviour.judgement import Judgement
from parity.programs.scenarios import Margins
from parity.sweeps.agreement import ScenarioVerdicts, is_near, signs_of, verdicts_of

MARGINS = Margins(accuracy=0.015, gap=0.02)


def run(verdict="good_fit", **numbers):
    return Judgement(verdict, "rule", "because", 20, **numbers)


def fit(gap, *, train=0.99, **numbers):
    """A run that overfits if the gap is above 0.05."""
    verdict = "overfit" if gap > 0.05 else "good_fit"
    return run(verdict, train_accuracy=train, val_accuracy=train - gap, gap=gap, **numbers)


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [
        (fit(0.049), fit(0.051), True),
        (fit(0.031), fit(0.09), True),  # the first is within 0.02 of the threshold
        (fit(0.029), fit(0.071), False),  # neither is
        # With few validation samples, the gap has to be above its noise.
        (fit(0.029), fit(0.09, gap_error=0.1), True),
        (fit(0.029), fit(0.071, gap_error=0.1), False),
        # A gap of 0.02 is enough where the validation loss has risen to 1.5 times its minimum.
        (fit(0.01, val_loss_rise=1.6), fit(0.08), True),
        (fit(0.01, val_loss_rise=1.4), fit(0.08), False),
        (run("underfit", gap=0.04), run("overfit", gap=0.2), True),
        # Training accuracy and its target of 0.9.
        (run("underfit", train_accuracy=0.886), run(train_accuracy=0.95), True),
        (run("underfit", train_accuracy=0.884), run(train_accuracy=0.95), False),
        (run("stagnant", train_accuracy=0.89), run(train_accuracy=0.95), True),
        # A tenth of the way from chance to the target: 0.18.
        (
            run("stagnant", train_accuracy=0.17, chance=0.1),
            run("underfit", train_accuracy=0.3, chance=0.1),
            True,
        ),
        (
            run("stagnant", train_accuracy=0.15, chance=0.1),
            run("underfit", train_accuracy=0.3, chance=0.1),
            False,
        ),
        # Known by heart: 0.995.
        (
            run("suspicious", train_accuracy=1.0, val_accuracy=0.998),
            run(train_accuracy=1.0, val_accuracy=0.98),
            True,
        ),
        (
            run("suspicious", train_accuracy=0.6, val_accuracy=0.05),
            run(train_accuracy=0.95, val_accuracy=0.94),
            False,
        ),
        (run("diverged"), fit(0.05), False),
        (fit(0.05), fit(0.05), False),  # the same verdict is no disagreement
        (run("undecided"), run(), False),
    ],
)
def test_a_disagreement_is_near_if_a_run_within_the_margins_could_have_the_other_verdict(
    a, b, near
):
    assert is_near(a, b, MARGINS) == is_near(b, a, MARGINS) == near


def test_strict_margins_leave_fewer_disagreements_near():
    assert is_near(fit(0.04), fit(0.065), MARGINS)
    assert not is_near(fit(0.04), fit(0.065), Margins(gap=0.005))


def test_each_verdict_has_a_sign_where_one_half_alone_has_it():
    pairs = {1: (fit(0.01), fit(0.1)), 2: (fit(0.1), fit(0.1)), 5: (run("diverged"), fit(0.01))}
    assert signs_of(pairs, None) == {
        "diverged": {1: 0, 2: 0, 5: 1},
        "good_fit": {1: 1, 2: 0, 5: -1},
        "overfit": {1: -1, 2: 0, 5: 0},
    }


def test_near_disagreements_count_only_where_no_difference_is_allowed():
    pairs = {1: (fit(0.049), fit(0.051))}
    assert signs_of(pairs, MARGINS) == {}
    assert set(signs_of(pairs, None)) == {"good_fit", "overfit"}


def judged(*pairs, p_different=1.0, num_missing=0):
    return verdicts_of(
        "some",
        dict(enumerate(pairs)),
        "good_fit",
        MARGINS,
        num_missing=num_missing,
        p_different=p_different,
    )


def test_verdicts_are_counted_and_seeds_that_are_missing_too():
    found = judged((fit(0.01), fit(0.02)), (fit(0.049), fit(0.051)), num_missing=3)
    assert found == ScenarioVerdicts(
        scenario="some",
        expected="good_fit",
        num_seeds=2,
        num_missing=3,
        keras={"good_fit": 2},
        torch={"good_fit": 1, "overfit": 1},
        num_same=1,
        num_near=1,
        p_different=1.0,
        verdict="agree",
    )


def test_seeds_near_a_threshold_do_not_make_the_halves_disagree():
    """Of a right port with a true gap at the threshold, most runs may fall on the other side."""
    assert judged(*[(fit(0.049), fit(0.051))] * 3).verdict == "agree"
    assert judged(*[(fit(0.01), fit(0.2))] * 3).verdict == "undecided"


def test_a_difference_that_is_shown_is_one_though_most_verdicts_are_the_same():
    pairs = [(fit(0.01), fit(0.01))] * 20 + [(fit(0.01), fit(0.2))] * 8
    assert judged(*pairs, p_different=0.01).verdict == "different"
    assert not judged(*pairs, p_different=0.01).agrees
    assert judged(*pairs, p_different=0.06).verdict == "agree"


def test_of_equally_frequent_verdicts_the_first_by_name_counts():
    assert ScenarioVerdicts.most({"overfit": 2, "good_fit": 2, "stagnant": 1}) == "good_fit"
    first = judged(*[(fit(0.01), fit(0.2)), (fit(0.2), fit(0.01))] * 2)
    assert first.agrees
