"""Runs that are no pairs: two groups of any size, the same three answers, one correction."""

import numpy as np
import pytest
from scipy import stats
from swept import only, rows

from parity.programs.scenarios import Margins, Terms
from parity.sweeps.equivalence import compare_groups
from parity.sweeps.groups import equivalence_of_groups

LEVELS = np.array([0.90, 0.905, 0.895, 0.902, 0.898, 0.903, 0.897, 0.901])


def compared(keras, torch, terms=None, **others):
    return compare_groups(rows(keras, torch, **others), {"some": terms or Terms()})


def test_two_groups_without_a_difference_are_equivalent_whatever_their_sizes():
    found = compared(LEVELS, LEVELS[:7] + 0.001)
    assert found.verdict == "pass"
    expected = equivalence_of_groups(LEVELS, LEVELS[:7] + 0.001, 0.015)
    assert (only(found).equivalence, expected.n) == (expected, 7)
    (verdicts,), (lost,) = found.verdicts, found.collapses
    assert (verdicts.keras, verdicts.torch) == ({"good_fit": 8}, {"good_fit": 7})
    assert (lost.num_seeds, lost.num_torch, lost.verdict) == (8, 7, "equivalent")


def test_a_difference_beyond_the_margin_is_found():
    found = compared(LEVELS, LEVELS - 0.05)
    assert (found.verdict, only(found).verdict) == ("fail", "different")
    assert only(found).keras - only(found).torch == pytest.approx(0.05)


def test_a_pairing_that_the_order_suggests_has_no_effect():
    """Otherwise the spread between seeds would cancel."""
    spread = np.linspace(0.6, 0.95, 8)
    found, other = (only(compared(spread, torch)) for torch in (spread, spread[::-1]))
    assert (found.verdict, other.equivalence) == ("inconclusive", found.equivalence)


def test_too_few_runs_say_how_many_are_needed():
    found = compared(LEVELS[:5], LEVELS[:5])
    assert (found.verdict, only(found).lacks_seeds) == ("inconclusive", True)
    assert only(found).needed >= 6


def test_losses_are_compared_by_shares_of_their_mean():
    """Twice all numbers are the same test."""
    terms = Terms(margins=Margins(loss=0.05))
    one, two = (
        only(compared(loss, loss * 1.02, terms, quantity="val_loss"), "val_loss")
        for loss in (LEVELS, 2 * LEVELS)
    )
    assert (one.verdict, two.verdict, one.equivalence.margin) == ("equivalent", "equivalent", 0.05)
    assert [each.equivalence.difference for each in (one, two)] == pytest.approx([-0.02 / 1.01] * 2)
    assert two.keras == pytest.approx(2 * LEVELS.mean())


def test_shares_of_runs_that_did_not_train_are_compared_by_fishers_test():
    verdicts = {"keras": ["good_fit"] * 8, "torch": ["good_fit"] * 2 + ["diverged"] * 6}
    found = compared(LEVELS, LEVELS, verdicts=verdicts)
    (lost,), (verdicts,) = found.collapses, found.verdicts
    assert (lost.keras, lost.torch, lost.torch_diverged) == (0, 6, 6)
    # Of three counts (runs lost, and the two verdicts) and one mean, the same for all counts.
    assert lost.p_different == pytest.approx(min(1, 4 * stats.fisher_exact([[0, 8], [6, 2]])[1]))
    assert (lost.verdict, verdicts.verdict, found.verdict) == ("different", "different", "fail")
    assert lost.low < -0.5


def test_verdicts_that_differ_by_chance_are_undecided():
    verdicts = {
        "keras": ["good_fit"] * 4 + ["overfit"] * 3,
        "torch": ["good_fit"] * 3 + ["overfit"] * 4,
    }
    (found,) = compared(LEVELS[:7], LEVELS[:7], verdicts=verdicts).verdicts
    assert (found.verdict, found.num_same, found.num_near) == ("undecided", 6, 0)


def test_groups_of_one_distribution_are_rarely_called_different():
    """At 5 % for all tests together, 60 sweeps have 3 alarms; more than 9 have p < 0.001."""
    groups = np.random.default_rng(3).normal(0.9, 0.03, (60, 2, 7))
    assert sum(compared(*pair).verdict == "fail" for pair in groups) <= 9
