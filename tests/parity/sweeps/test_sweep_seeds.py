"""How many seeds of each scenario have run, are missing, and would be needed."""

from rows import each_row
from swept import HALVES, SEEDS, made, moved, only, row, rows

from parity.sweeps.equivalence import compare
from parity.sweeps.pairs import pairs_needed
from parity.sweeps.result import Seeds, seeds_of

NOISE = [0.03, -0.03, 0.02, -0.02, 0.03, -0.03, 0.02, -0.02]


def gone(seed, half="torch", scenario="some"):
    return {"scenario": scenario, "seed": seed, "half": half, "reason": "killed"}


def found(runs, failures=(), **options):
    equivalence = compare(runs, made(), missing=failures, **options)
    return equivalence, seeds_of(equivalence, failures)


def test_where_all_is_decided_no_more_are_needed():
    _, (seeds,) = found(rows(SEEDS, SEEDS))
    assert seeds == Seeds("some", 8, 0, 0)
    assert seeds.are_enough


def test_noise_needs_as_many_as_its_comparison():
    equivalence, (seeds,) = found(rows(SEEDS, moved(SEEDS, 0, NOISE)))
    assert seeds.needed == only(equivalence).equivalence.n_needed > 8
    assert not seeds.are_enough
    _, (strict,) = found(rows(SEEDS, moved(SEEDS, 0, NOISE)), margins="strict")
    assert strict.needed > 4 * seeds.needed


@each_row("names", [("a", "b"), ("b", "a")], ids=str)
def test_what_a_scenario_needs_is_no_matter_of_another(names):
    sure, unsure = names
    runs = [
        *rows(SEEDS, SEEDS, scenario=sure),
        *rows(SEEDS, moved(SEEDS, 0, NOISE), scenario=unsure),
    ]
    equivalence = compare(runs, made("a") | made("b"))
    needed = {seeds.scenario: seeds.needed for seeds in seeds_of(equivalence, ())}
    assert needed[sure] == 0
    assert needed[unsure] > 8


def test_a_difference_near_the_margin_needs_no_more_seeds():
    equivalence, (seeds,) = found(rows(SEEDS, moved(SEEDS, 0.015)))
    assert only(equivalence).verdict == "inconclusive"
    assert only(equivalence).equivalence.n_needed <= 8
    assert seeds.needed == 0


def test_missing_seeds_are_counted_also_where_no_seed_has_finished():
    failures = [gone(98), gone(99), gone(99, "keras"), gone(3, scenario="other")]
    _, seeds = found(rows(SEEDS, SEEDS), failures)
    assert seeds == (Seeds("some", 8, 2, 0), Seeds("other", 0, 1, 0))
    assert not any(each.are_enough for each in seeds)


def test_more_than_a_million_are_none():
    far = [value * 1e5 for value in NOISE]
    assert pairs_needed(0.015, 2e3) is None
    _, (seeds,) = found(rows(SEEDS, moved(SEEDS, 0, far)))
    assert seeds.needed is None
    assert not seeds.are_enough


def collapsing(keras, torch, n):
    return [
        row(seed, half, "stagnant" if seed < count else "good_fit", val_accuracy=0.9)
        for half, count in (("keras", keras), ("torch", torch))
        for seed in range(n)
    ]


def test_one_collapse_of_twenty_needs_seeds_that_would_decide_it():
    equivalence, (seeds,) = found(collapsing(0, 1, 20))
    (told,) = equivalence.collapses
    assert (told.verdict, seeds.needed) == ("inconclusive", told.needed)
    # With one in forty on either side, the exact intervals are within 10 points from there on.
    for number, verdict in ((2, "equivalent"), (1, "inconclusive")):
        runs = [
            row(seed, half, "stagnant" if seed // number == side else "good_fit", val_accuracy=0.9)
            for side, half in enumerate(HALVES)
            for seed in range(40 * number)
        ]
        (some,) = compare(runs, made()).collapses
        assert (some.keras, some.torch, some.verdict) == (number, number, verdict)
    assert 40 < seeds.needed <= 80


@each_row(("keras", "torch"), [(0, 0), (3, 3)])
def test_collapses_that_are_decided_need_no_more(keras, torch):
    equivalence, (seeds,) = found(collapsing(keras, torch, 60))
    assert equivalence.collapses[0].verdict == "equivalent"
    assert seeds.needed == 0
