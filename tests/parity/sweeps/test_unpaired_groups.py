"""Runs that are no pairs: two groups of any size, the same three answers, one correction."""

import numpy as np
import pytest
from scipy import stats
from swept import row

from parity.programs.scenarios import Margins, Terms
from parity.sweeps.equivalence import compare_groups
from parity.sweeps.groups import equivalence_of_groups

TERMS = {"some": Terms()}
LEVELS = np.array([0.90, 0.905, 0.895, 0.902, 0.898, 0.903, 0.897, 0.901])


def runs(half, values, verdict="good_fit", quantity="val_accuracy", start=0):
    return [row(start + n, half, verdict, **{quantity: float(v)}) for n, v in enumerate(values)]


def only(found, quantity="accuracy"):
    (row,) = [each for each in found.comparisons if each.quantity == quantity]
    return row


def test_two_groups_without_a_difference_are_equivalent_whatever_their_sizes():
    found = compare_groups([*runs("keras", LEVELS), *runs("torch", LEVELS[:7] + 0.001)], TERMS)
    assert found.verdict == "pass"
    expected = equivalence_of_groups(LEVELS, LEVELS[:7] + 0.001, 0.015)
    assert only(found).equivalence == expected
    assert only(found).equivalence.n == 7
    (verdicts,), (lost,) = found.verdicts, found.collapses
    assert (verdicts.keras, verdicts.torch) == ({"good_fit": 8}, {"good_fit": 7})
    assert (lost.num_seeds, lost.num_torch, lost.verdict) == (8, 7, "equivalent")


def test_a_difference_beyond_the_margin_is_found():
    found = compare_groups([*runs("keras", LEVELS), *runs("torch", LEVELS - 0.05)], TERMS)
    assert found.verdict == "fail"
    assert only(found).verdict == "different"
    assert only(found).keras - only(found).torch == pytest.approx(0.05)


def test_a_pairing_that_the_order_suggests_has_no_effect():
    """Otherwise the spread between seeds would cancel."""
    spread = np.linspace(0.6, 0.95, 8)
    found = compare_groups([*runs("keras", spread), *runs("torch", spread)], TERMS)
    assert only(found).verdict == "inconclusive"
    other = compare_groups([*runs("keras", spread), *runs("torch", spread[::-1])], TERMS)
    assert only(other).equivalence == only(found).equivalence


def test_too_few_runs_say_how_many_are_needed():
    found = compare_groups([*runs("keras", LEVELS[:5]), *runs("torch", LEVELS[:5])], TERMS)
    assert found.verdict == "inconclusive"
    assert only(found).lacks_seeds
    assert only(found).needed >= 6


def test_losses_are_compared_by_shares_of_their_mean():
    """Twice all numbers are the same test."""
    found = [
        compare_groups(
            [
                *runs("keras", LEVELS * size, quantity="val_loss"),
                *runs("torch", LEVELS * size * 1.02, quantity="val_loss"),
            ],
            {"some": Terms(margins=Margins(loss=0.05))},
        )
        for size in (1, 2)
    ]
    rows = [only(each, "val_loss") for each in found]
    assert [each.verdict for each in rows] == ["equivalent", "equivalent"]
    assert rows[0].equivalence.difference == pytest.approx(rows[1].equivalence.difference)
    assert rows[0].equivalence.difference == pytest.approx(-0.02 / 1.01)
    assert rows[0].equivalence.margin == 0.05
    assert rows[1].keras == pytest.approx(2 * LEVELS.mean())


def test_shares_of_runs_that_did_not_train_are_compared_by_fishers_test():
    keras = runs("keras", LEVELS)
    torch = [*runs("torch", LEVELS[:2]), *runs("torch", LEVELS[:6], "diverged", start=2)]
    found = compare_groups([*keras, *torch], TERMS)
    (lost,), (verdicts,) = found.collapses, found.verdicts
    assert (lost.keras, lost.torch, lost.torch_diverged) == (0, 6, 6)
    p = stats.fisher_exact([[0, 8], [6, 2]])[1]
    # Of three counts (runs lost, and the two verdicts) and one mean, the same for all counts.
    assert lost.p_different == pytest.approx(min(1, 4 * p))
    assert (lost.verdict, verdicts.verdict, found.verdict) == ("different", "different", "fail")
    assert lost.low < -0.5


def test_verdicts_that_differ_by_chance_are_undecided():
    keras = [*runs("keras", LEVELS[:4]), *runs("keras", LEVELS[:3], "overfit", start=4)]
    torch = [*runs("torch", LEVELS[:3]), *runs("torch", LEVELS[:4], "overfit", start=3)]
    found = compare_groups([*keras, *torch], TERMS)
    (verdicts,) = found.verdicts
    assert (verdicts.verdict, verdicts.num_same, verdicts.num_near) == ("undecided", 6, 0)


def test_groups_of_one_distribution_are_rarely_called_different():
    """At 5 % for all tests together, 60 sweeps have 3 alarms; more than 9 have p < 0.001."""
    draw = np.random.default_rng(3)
    alarms = 0
    for _ in range(60):
        groups = draw.normal(0.9, 0.03, (2, 7))
        rows = [*runs("keras", groups[0]), *runs("torch", groups[1])]
        alarms += compare_groups(rows, TERMS).verdict == "fail"
    assert alarms <= 9
