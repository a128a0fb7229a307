"""Verdicts of two halves are compared with the distance to the threshold in mind."""

import numpy as np
from rows import each_row
from swept import HALVES, made, only, rows, run

from parity.programs.scenarios import Margins
from parity.sweeps.equivalence import compare
from parity.sweeps.rows import Row
from parity.sweeps.verdicts import ScenarioVerdicts, is_near, signs_of, verdicts_of

MARGINS = Margins(accuracy=0.015, gap=0.02)


def fit(gap, *, train=0.99, **numbers):
    """A run that overfits if the gap is above 0.05."""
    verdict = "overfit" if gap > 0.05 else "good_fit"
    return run(verdict, train_accuracy=train, val_accuracy=train - gap, gap=gap, **numbers)


@each_row(
    ("a", "b", "near"),
    [
        (fit(0.049), fit(0.051), True),
        (
            fit(0.031),
            fit(0.0509),
            True,
        ),  # the second is within 0.02 of the threshold, and of the first
        (
            fit(0.031),
            fit(0.3),
            False,
        ),  # the first is near the threshold, and the second far from both
        (fit(0.031), fit(0.0521), False),
        (fit(0.029), fit(0.071), False),
        # With few validation samples, the gap has to be above its noise.
        (run("overfit", gap=0.075), run(gap=0.09, gap_error=0.1), True),
        (run("overfit", gap=0.065), run(gap=0.09, gap_error=0.1), False),
        # A gap of 0.02 is enough where the validation loss has risen to 1.5 times its minimum.
        (fit(0.01, val_loss_rise=1.6), run("overfit", gap=0.022), True),
        (fit(0.01, val_loss_rise=1.4), run("overfit", gap=0.022), False),
        (fit(0.01, val_loss_rise=1.5), run("overfit", gap=0.022), False),
        (run("underfit", gap=0.04), run("overfit", gap=0.055), True),
        # Training accuracy and its target of 0.9.
        (run("underfit", train_accuracy=0.886), run(train_accuracy=0.9005), True),
        (run("underfit", train_accuracy=0.886), run(train_accuracy=0.95), False),
        (run("stagnant", train_accuracy=0.89), run(train_accuracy=0.904), True),
        # A tenth of the way from chance to the target: 0.18.
        (
            run("stagnant", train_accuracy=0.17, chance=0.1),
            run("underfit", train_accuracy=0.184, chance=0.1),
            True,
        ),
        (
            run("stagnant", train_accuracy=0.17, chance=0.1),
            run("underfit", train_accuracy=0.3, chance=0.1),
            False,
        ),
        # Known by heart: 0.995.
        (
            run("suspicious", train_accuracy=1.0, val_accuracy=0.998),
            run(train_accuracy=1.0, val_accuracy=0.985),
            True,
        ),
        (
            run("suspicious", train_accuracy=0.6, val_accuracy=0.05),
            run(train_accuracy=0.95, val_accuracy=0.94),
            False,
        ),
        (
            run("suspicious", train_accuracy=1.0, val_accuracy=0.998),
            run(train_accuracy=1.0, val_accuracy=0.9),
            False,
        ),
        (run("overfit", gap=0.06), run(), False),  # it has no validation data
        (run("diverged"), fit(0.05), False),
        (fit(0.05), fit(0.05), False),  # the same verdict is no disagreement
        (run("undecided"), run(), False),
    ],
)
def test_a_disagreement_is_near_if_threshold_and_runs_are_within_the_margins(a, b, near):
    assert is_near(a, b, MARGINS) == is_near(b, a, MARGINS) == near


def test_a_run_exactly_at_the_margin_from_a_threshold_is_near():
    assert is_near(fit(0.0), fit(0.0625), Margins(gap=0.0625))
    assert not is_near(fit(0.0), fit(0.0625), Margins(gap=0.062))


NEAR = {1: (fit(0.049), fit(0.051))}


@each_row(
    ("pairs", "margins", "signs"),
    [
        (
            {1: (fit(0.01), fit(0.1)), 2: (fit(0.1), fit(0.1)), 5: (run("diverged"), fit(0.01))},
            None,
            {
                "diverged": {1: 0, 2: 0, 5: 1},
                "good_fit": {1: 1, 2: 0, 5: -1},
                "overfit": {1: -1, 2: 0, 5: 0},
            },
        ),
        # Near disagreements count only where no difference is allowed.
        (NEAR, MARGINS, {}),
        (NEAR, None, {"good_fit": {1: 1}, "overfit": {1: -1}}),
    ],
)
def test_each_verdict_has_a_sign_where_one_half_alone_has_it(pairs, margins, signs):
    assert signs_of(pairs, margins) == signs


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


MOSTLY_SAME = [(fit(0.01), fit(0.01))] * 20 + [(fit(0.01), fit(0.2))] * 8


@each_row(
    ("pairs", "p", "verdict"),
    [
        # Of a right port with a true gap at the threshold, most runs may fall on the other side.
        ([(fit(0.049), fit(0.051))] * 3, 1.0, "agree"),
        ([(fit(0.01), fit(0.2))] * 3, 1.0, "undecided"),
        ([(fit(0.2), fit(0.01))] * 3, 1.0, "undecided"),
        # A difference that is shown is one though most verdicts are the same.
        (MOSTLY_SAME, 0.01, "different"),
        (MOSTLY_SAME, 0.05, "agree"),
    ],
)
def test_halves_agree_if_the_most_frequent_verdicts_do(pairs, p, verdict):
    found = judged(*pairs, p_different=p)
    assert (found.verdict, found.agrees) == (verdict, verdict == "agree")


def with_verdicts(keras, torch):
    same = [0.9] * len(keras)
    return compare(rows(same, same, verdicts={"keras": keras, "torch": torch}), made())


@each_row(
    ("keras", "torch", "verdict", "told", "num_same"),
    [
        # Shown to differ, though all numbers agree.
        (["good_fit"] * 8, ["overfit"] * 7 + ["good_fit"], "fail", "different", 1),
        # A few seeds on the other side of a threshold.
        (["good_fit"] * 10, ["overfit"] + ["good_fit"] * 9, "pass", "agree", 9),
        (["good_fit"] * 10, ["overfit"] * 4 + ["good_fit"] * 6, "pass", "agree", 6),
        # Few seeds of which most disagree.
        (["good_fit"] * 6, ["overfit"] * 4 + ["good_fit"] * 2, "inconclusive", "undecided", 2),
    ],
)
def test_a_sweep_fails_only_where_verdicts_are_shown_to_differ(
    keras, torch, verdict, told, num_same
):
    found = with_verdicts(keras, torch)
    (row,) = found.verdicts
    assert (found.verdict, only(found).verdict) == (verdict, "equivalent")
    assert (row.verdict, row.num_same, row.num_near) == (told, num_same, 0)


def test_the_p_of_verdicts_is_that_of_mcnemars_exact_test_corrected():
    """Seven seeds differ one way: 2 / 2^7; the accuracy is tested as well."""
    (row,) = with_verdicts(["good_fit"] * 8, ["overfit"] * 7 + ["good_fit"]).verdicts
    assert 2 / 2**7 < row.p_different < 3 * 2 / 2**7


def at_the_threshold(generator, n, *, shift=0.0):
    """Runs whose gap is at the threshold of 0.05 in both halves, but for a shift of torch's."""
    gaps = 0.05 + generator.normal(0, 0.004, (n, 2)) + np.array([0, shift])
    runs = [(seed, half, fit(gaps[seed, k])) for seed in range(n) for k, half in enumerate(HALVES)]
    return [Row("some", seed, half, judgement, 1.0) for seed, half, judgement in runs]


def test_a_right_port_with_a_gap_at_the_threshold_does_not_fail():
    """The most frequent verdict alone would differ in a third of such sweeps."""
    generator = np.random.default_rng(0)
    for mode in ("independent", "seeded"):
        found = [compare(at_the_threshold(generator, 12), made(), mode=mode) for _ in range(40)]
        assert [each.verdicts[0].verdict for each in found].count("different") <= 3
        assert [each.verdict for each in found].count("pass") >= 30


def test_verdicts_that_differ_within_the_margins_agree_unless_the_runs_should_be_the_same():
    runs = at_the_threshold(np.random.default_rng(1), 16, shift=0.01)
    found, seeded = (compare(runs, made(), mode=mode) for mode in ("independent", "seeded"))
    (told,) = found.verdicts
    assert (found.verdict, told.verdict, told.num_near, told.num_same) == ("pass", "agree", 6, 10)
    assert (seeded.verdict, seeded.verdicts[0].verdict) == ("fail", "different")
