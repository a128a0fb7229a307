"""How many seeds of each scenario have run, are missing, and would be needed."""

from rows import each_row
from swept import HALVES, NOISE, SEEDS, collapsing, made, moved, only, row, rows

from parity.sweeps.equivalence import compare
from parity.sweeps.result import Seeds, seeds_of


def gone(seed, half="torch", scenario="some"):
    return {"scenario": scenario, "seed": seed, "half": half, "reason": "killed"}


def found(runs, failures=(), **options):
    equivalence = compare(runs, made(), missing=failures, **options)
    return equivalence, seeds_of(equivalence, failures)


@each_row(
    ("runs", "failures", "seeds"),
    [
        (rows(SEEDS, SEEDS), [], [Seeds("some", 8, 0, 0)]),
        (
            rows(SEEDS, SEEDS),  # seeds are missing also where none has finished
            [gone(98), gone(99), gone(99, "keras"), gone(3, scenario="other")],
            [Seeds("some", 8, 2, 0), Seeds("other", 0, 1, 0)],
        ),
        (  # more than a million are none
            rows(SEEDS, moved(SEEDS, 0, [value * 1e5 for value in NOISE])),
            [],
            [Seeds("some", 8, 0, None)],
        ),
        # Collapses that are decided.
        (collapsing(n=60), [], [Seeds("some", 60, 0, 0)]),
        (collapsing(3, 3, n=60), [], [Seeds("some", 60, 0, 0)]),
    ],
)
def test_seeds_are_counted(runs, failures, seeds):
    _, counted = found(runs, failures)
    assert [*counted] == seeds
    assert [each.are_enough for each in counted] == [
        (each.missing, each.needed) == (0, 0) for each in seeds
    ]


def test_noise_needs_as_many_as_its_comparison():
    equivalence, (seeds,) = found(rows(SEEDS, moved(SEEDS, 0, NOISE)))
    needed = only(equivalence).equivalence.n_needed
    assert (seeds, seeds.are_enough) == (Seeds("some", 8, 0, needed), False)
    _, (strict,) = found(rows(SEEDS, moved(SEEDS, 0, NOISE)), margins="strict")
    assert strict.needed > 4 * seeds.needed > 32


@each_row("names", [("a", "b"), ("b", "a")], ids=str)
def test_what_a_scenario_needs_is_no_matter_of_another(names):
    sure, unsure = names
    equivalence = compare(
        [
            *rows(SEEDS, SEEDS, scenario=sure),
            *rows(SEEDS, moved(SEEDS, 0, NOISE), scenario=unsure),
        ],
        made("a") | made("b"),
    )
    needed = {seeds.scenario: seeds.needed for seeds in seeds_of(equivalence, ())}
    assert needed[sure] == 0 < 8 < needed[unsure]


def test_a_difference_near_the_margin_needs_no_more_seeds():
    equivalence, (seeds,) = found(rows(SEEDS, moved(SEEDS, 0.015)))
    assert (only(equivalence).verdict, seeds.needed) == ("inconclusive", 0)
    assert only(equivalence).equivalence.n_needed <= 8


def test_one_collapse_of_twenty_needs_seeds_that_would_decide_it():
    equivalence, (seeds,) = found(collapsing(torch=1))
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
