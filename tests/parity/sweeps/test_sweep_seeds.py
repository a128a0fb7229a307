"""How many seeds of each scenario have run, are missing, and would be needed."""

from rows import each_row
from swept import SEEDS, made, moved, only, rows

from parity.sweeps.equivalence import compare
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
