"""Runs that did not train are found, counted, and compared by exact intervals."""

import numpy as np
import pytest
from rows import each_row
from scipy import stats
from swept import HALVES, collapsing, made, only, row, run

from parity.sweeps.equivalence import compare
from parity.sweeps.verdicts import collapses_of, has_collapsed, share_interval, signs_of_collapses

GOOD, STUCK, DIVERGED = run(), run("stagnant"), run("diverged")
BOTH = (GOOD, GOOD)


@each_row(
    ("judgement", "expected", "collapsed"),
    [
        (GOOD, "good_fit", False),
        (run("underfit", train_accuracy=0.5, chance=0.1), "good_fit", False),
        (DIVERGED, "good_fit", True),
        (DIVERGED, "diverged", False),
        (DIVERGED, None, True),
        (STUCK, "good_fit", True),
        (STUCK, None, True),
        (STUCK, "underfit", True),
        # It is meant to be stagnant, but not to diverge.
        (STUCK, "stagnant", False),
        (DIVERGED, "stagnant", True),
        # One epoch is too short to be called stagnant: a tenth of the way from 0.1 to 0.9 is 0.18.
        (run("underfit", train_accuracy=0.18, chance=0.1, target=0.9), "underfit", True),
        (run("underfit", train_accuracy=0.181, chance=0.1, target=0.9), "underfit", False),
        # Exactly a tenth of the way from 0.0 to 0.5, and below it.
        (run("underfit", train_accuracy=0.05, chance=0.0, target=0.5), "underfit", True),
        (run("underfit", train_accuracy=0.04, chance=0.0, target=0.5), "underfit", True),
        (run("underfit", train_accuracy=0.1), "underfit", False),  # chance is unknown
        (run("underfit", chance=0.1), "underfit", False),
    ],
)
def test_a_run_has_collapsed_if_it_did_not_train_and_was_meant_to(judgement, expected, collapsed):
    assert has_collapsed(judgement, expected) == collapsed


def test_a_seed_counts_where_one_half_alone_collapsed():
    pairs = {3: (GOOD, GOOD), 4: (STUCK, GOOD), 5: (GOOD, DIVERGED), 6: (STUCK, STUCK)}
    assert signs_of_collapses(pairs, "good_fit") == {3: 0, 4: 1, 5: -1, 6: 0}


def judged(*pairs, margin=0.1, p_different=1.0):
    found = dict(enumerate(pairs))
    return collapses_of("some", found, "good_fit", margin=margin, p_different=p_different)


SAME_OF_50 = [*[BOTH] * 45, *[(STUCK, STUCK)] * 5]


@each_row(
    ("pairs", "options", "expected"),
    [
        (
            [(GOOD, STUCK), (GOOD, DIVERGED), (DIVERGED, STUCK), BOTH],
            {},
            {"num_seeds": 4, "keras": 1, "torch": 3, "keras_diverged": 1, "torch_diverged": 1}
            | {"has_some": True},
        ),
        # Where a run diverged more seeds would decide nothing.
        *(
            ([pair, *[BOTH] * 19], {}, {"verdict": "inconclusive", "lacks_seeds": False})
            for pair in ((DIVERGED, GOOD), (GOOD, DIVERGED), (DIVERGED, DIVERGED))
        ),
        # What is decided lacks none.
        ([(GOOD, STUCK), *[BOTH] * 19], {"p_different": 0.01}, {"lacks_seeds": False}),
        # Where every run trained nothing is to be compared; three seeds exclude little.
        (
            [BOTH] * 3,
            {},
            {"verdict": "equivalent", "has_some": False}
            | {
                "low": pytest.approx(0.025 ** (1 / 3) - 1),
                "high": pytest.approx(1 - 0.025 ** (1 / 3)),
            },
        ),
        # Runs that collapse in the same seeds are equivalent if seeds are many.
        ([*[BOTH] * 19, (STUCK, STUCK)], {}, {"verdict": "inconclusive"}),
        (SAME_OF_50, {}, {"verdict": "equivalent", "lacks_seeds": False}),
        (SAME_OF_50, {"margin": 0.05}, {"verdict": "inconclusive"}),
        # A difference that is shown is one.
        ([(GOOD, STUCK)], {"p_different": 0.049}, {"verdict": "different"}),
        ([(GOOD, STUCK)], {"p_different": 0.05}, {"verdict": "inconclusive"}),
    ],
)
def test_runs_that_did_not_train_are_counted_and_judged(pairs, options, expected):
    found = judged(*pairs, **options)
    assert {name: getattr(found, name) for name in expected} == expected


@each_row(("keras", "torch", "n"), [(1, 1, 20), (0, 1, 20), (3, 1, 30)])
def test_seeds_are_needed_until_exact_intervals_of_the_mean_share_are_within_the_margin(
    keras, torch, n
):
    found = judged(
        *[(STUCK, GOOD)] * keras, *[(GOOD, STUCK)] * torch, *[BOTH] * (n - keras - torch)
    )
    numbers = np.array([found.needed, found.needed - 1])
    k = (keras + torch) / (2 * n) * numbers
    low, high = stats.beta.ppf(0.025, k, numbers - k + 1), stats.beta.ppf(0.975, k + 1, numbers - k)
    assert (high - low < 0.1).tolist() == [True, False]
    assert (found.verdict, found.lacks_seeds) == ("inconclusive", found.needed > n)


@each_row("pair", [(STUCK, GOOD), (GOOD, STUCK)], ids=["keras", "torch"])
def test_an_interval_that_leaves_the_margin_on_one_side_is_not_equivalent(pair):
    found = judged(*[pair] * 5, *[BOTH] * 45)
    assert [end < 0.1 for end in sorted([-found.low, found.high])] == [True, False]
    assert found.verdict == "inconclusive"


@each_row(("first", "second", "n"), [(0, 3, 20), (5, 2, 12), (1, 0, 1), (0, 0, 6)])
def test_the_interval_combines_those_of_clopper_and_pearson(first, second, n):
    signs = [1] * first + [-1] * second + [0] * (n - first - second)
    parts = [
        stats.binomtest(count, n).proportion_ci(0.95, method="exact") for count in (first, second)
    ]
    expected = parts[0].low - parts[1].high, parts[0].high - parts[1].low
    assert share_interval(signs) == pytest.approx(expected, rel=1e-9)


@each_row("shares", [(0.05, 0.05), (0.0, 0.1), (0.3, 0.5)])
def test_the_interval_misses_the_true_difference_in_at_most_one_of_ten(shares):
    """By the exact probability of every count of 12 pairs."""

    def is_missed(counts):
        low, high = share_interval(np.repeat([1, -1, 0], counts))
        return not low <= shares[0] - shares[1] <= high

    missed = list(filter(is_missed, [(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)]))
    assert 0 < stats.multinomial.pmf(missed, 12, [*shares, 1 - sum(shares)]).sum() <= 0.1


@each_row(
    ("keras", "torch", "n", "kind", "verdicts"),
    [
        # One seed in twenty that does not train is a finding.
        (0, 1, 20, "stagnant", ("inconclusive", "inconclusive", "equivalent")),
        # Runs that do not train in both halves alike pass.
        (3, 3, 50, "stagnant", ("pass", "equivalent", "equivalent")),
        # A half whose runs diverged has no equivalence.
        (1, 0, 50, "diverged", ("inconclusive", "inconclusive", "inconclusive")),
        (0, 1, 50, "diverged", ("inconclusive", "inconclusive", "inconclusive")),
        (3, 3, 50, "diverged", ("inconclusive", "equivalent", "inconclusive")),
    ],
)
def test_the_mean_is_that_of_the_pairs_that_trained(keras, torch, n, kind, verdicts):
    found = compare(collapsing(keras, torch, n=n, verdict=kind), made())
    (lost,), mean = found.collapses, only(found)
    assert (found.verdict, lost.verdict, mean.verdict) == verdicts
    assert (lost.keras, lost.torch, mean.has_diverged) == (keras, torch, kind == "diverged")
    left_out = max(keras, torch)
    assert (mean.equivalence.n, mean.num_left_out) == (n - left_out, left_out)
    assert (mean.torch, mean.equivalence.p < 0.05) == (pytest.approx(0.9), True)


def test_a_scenario_that_is_meant_to_diverge_may():
    runs = [row(seed, half, "diverged", val_accuracy=0.1) for half in HALVES for seed in range(6)]
    assert compare(runs, made(expected="diverged")).verdict == "pass"
    assert compare(runs, made()).comparisons == ()
