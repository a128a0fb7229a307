"""Whether halves behave alike: on runs made by hand, by other libraries, in simulated sweeps."""

import json
import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from parity.behaviour.judgement import Judgement
from parity.files.floats import encode_floats
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import Margins, Scenario
from parity.stats import equivalence_power, needed_n
from parity.sweeps.equivalence import ScenarioVerdicts, SweepEquivalence, compare
from parity.sweeps.rows import Row

HALVES = ("keras", "torch")
# Spread of seeds, the same in both halves: it is no difference of a pair.
SEEDS = [0.90, 0.93, 0.88, 0.95, 0.91, 0.89, 0.94, 0.92]
TINY = [1e-4, -1e-4, 2e-4, -2e-4, 0, 1e-4, -2e-4, 1e-4]


def made(name="some", *, expected="good_fit", cures=None, margins=None):
    found = Scenario("Made.", RunSpec(scenario=name), expected, cures, margins=margins or Margins())
    return {name: found}


def row(seed, half, verdict="good_fit", *, scenario="some", **numbers):
    judgement = Judgement(verdict, "rule", "because", 20, **numbers)
    return Row(scenario, seed, half, judgement, 1.0)


def rows(keras, torch, *, scenario="some", quantity="val_accuracy", verdicts=None):
    """A run in each half for every pair of values, with seeds from 0."""
    values = {"keras": keras, "torch": torch}
    verdicts = verdicts or {half: ["good_fit"] * len(values[half]) for half in HALVES}
    return [
        row(seed, half, verdicts[half][seed], scenario=scenario, **{quantity: value})
        for half in HALVES
        for seed, value in enumerate(values[half])
    ]


def moved(values, shift, noise=TINY):
    return [value + shift + part for value, part in zip(values, noise, strict=True)]


def only(found, quantity="accuracy", scenario="some"):
    """The one comparison of a quantity."""
    (found,) = [c for c in found.comparisons if (c.scenario, c.quantity) == (scenario, quantity)]
    return found


def test_halves_that_are_equal_pass():
    both = [
        row(seed, half, val_accuracy=value, gap=0.1 - value / 10, epochs_to_plateau=10 * value)
        for half in HALVES
        for seed, value in enumerate(SEEDS)
    ]
    found = compare(both, made())
    assert found.verdict == "pass"
    assert [c.quantity for c in found.comparisons] == ["accuracy", "gap", "epochs"]
    assert {c.verdict for c in found.comparisons} == {"equivalent"}
    assert all(c.keras == c.torch for c in found.comparisons)
    assert compare(both, made(), mode="seeded").verdict == "pass"


@pytest.mark.parametrize("shift", [0.005, -0.005])
def test_a_shift_within_the_margin_is_equivalent_however_sure_it_is(shift):
    found = compare(rows(SEEDS, moved(SEEDS, shift)), made())
    assert (found.verdict, only(found).verdict) == ("pass", "equivalent")
    assert only(found).equivalence.p_zero < 1e-6


@pytest.mark.parametrize("shift", [0.025, -0.025])
def test_a_shift_beyond_the_margin_is_different_and_fails(shift):
    found = compare(rows(SEEDS, moved(SEEDS, shift)), made())
    assert (found.verdict, only(found).verdict) == ("fail", "different")


@pytest.mark.parametrize(
    ("quantity", "attribute", "margins"),
    [
        ("accuracy", "val_accuracy", Margins(accuracy=0.2, gap=1e-9, epochs=1e-9)),
        ("gap", "gap", Margins(accuracy=1e-9, gap=0.2, epochs=1e-9)),
        # A share of the 20 epochs of a run: 0.2 of them.
        ("epochs", "epochs_to_plateau", Margins(accuracy=1e-9, gap=1e-9, epochs=0.01)),
    ],
)
def test_each_quantity_has_its_own_margin(quantity, attribute, margins):
    for shift, verdict in ((0.1, "equivalent"), (0.3, "different")):
        found = compare(rows(SEEDS, moved(SEEDS, shift), quantity=attribute), made(margins=margins))
        assert only(found, quantity).verdict == verdict
        assert only(found, quantity).equivalence.margin == pytest.approx(0.2)
        assert len(found.comparisons) == 1


def test_noise_as_great_as_the_margin_is_inconclusive_and_says_how_many_seeds_would_do():
    noise = [0.03, -0.03, 0.02, -0.02, 0.03, -0.03, 0.02, -0.02]
    found = compare(rows(SEEDS, moved(SEEDS, 0, noise)), made())
    assert (found.verdict, only(found).verdict) == ("inconclusive", "inconclusive")
    sd = np.std(noise, ddof=1)
    needed = only(found).equivalence.n_needed
    assert needed == needed_n(0.015, sd, is_paired=True)
    assert needed > len(SEEDS)
    assert equivalence_power(0.015, sd, needed, is_paired=True) >= 0.8


def test_two_seeds_with_a_little_noise_are_inconclusive():
    found = compare(rows([0.9, 0.92], [0.904, 0.917]), made())
    assert (found.verdict, only(found).verdict) == ("inconclusive", "inconclusive")
    assert only(found).equivalence.n == 2
    assert only(found).equivalence.n_needed > 2


def test_one_seed_is_compared_by_its_verdict_only():
    found = compare(rows([0.9], [0.9]), made())
    assert found.comparisons == ()
    assert found.verdicts[0].num_seeds == 1
    assert found.verdict == "inconclusive"


def test_a_sweep_without_any_pair_is_inconclusive():
    assert compare([], made()) == SweepEquivalence("inconclusive", (), ())
    lonely = [row(0, "keras", val_accuracy=0.9), row(1, "torch", val_accuracy=0.9)]
    assert compare(lonely, made()) == SweepEquivalence("inconclusive", (), ())


def with_verdicts(keras, torch):
    same = [0.9] * len(keras)
    return compare(rows(same, same, verdicts={"keras": keras, "torch": torch}), made())


def test_verdicts_of_which_most_disagree_fail_though_all_numbers_agree():
    found = with_verdicts(["good_fit"] * 5, ["overfit"] * 3 + ["good_fit"] * 2)
    assert found.verdict == "fail"
    assert only(found).verdict == "equivalent"
    (told,) = found.verdicts
    assert told == ScenarioVerdicts(
        scenario="some",
        expected="good_fit",
        num_seeds=5,
        keras={"good_fit": 5},
        torch={"overfit": 3, "good_fit": 2},
        num_same=2,
    )
    assert not told.agrees


def test_a_seed_that_falls_on_the_other_side_of_a_threshold_does_not_fail():
    found = with_verdicts(["good_fit"] * 5, ["overfit"] + ["good_fit"] * 4)
    assert found.verdict == "pass"
    assert (found.verdicts[0].agrees, found.verdicts[0].num_same) == (True, 4)


def test_two_seeds_cannot_fail_by_their_verdicts():
    assert with_verdicts(["good_fit"] * 2, ["overfit"] * 2).verdict == "inconclusive"
    assert with_verdicts(["good_fit"] * 3, ["overfit"] * 3).verdict == "fail"


def test_of_equally_frequent_verdicts_the_first_by_name_counts_in_whatever_order_they_came():
    first = with_verdicts(["overfit", "good_fit"] * 2, ["good_fit", "overfit"] * 2)
    assert first.verdicts[0].agrees
    assert ScenarioVerdicts.most({"overfit": 2, "good_fit": 2, "stagnant": 1}) == "good_fit"


def test_a_verdict_other_than_the_expected_one_is_no_disagreement_of_the_halves():
    found = with_verdicts(["overfit"] * 4, ["overfit"] * 4)
    assert found.verdict == "pass"
    assert found.verdicts[0].expected == "good_fit"


def test_a_seed_that_only_one_half_has_does_not_count():
    pairs = rows(SEEDS, moved(SEEDS, 0.001))
    lonely = [
        row(98, "keras", "overfit", val_accuracy=0.1),
        row(99, "torch", "stagnant", val_accuracy=0.7),
    ]
    assert compare(pairs + lonely, made()) == compare(pairs, made())
    assert only(compare(pairs + lonely, made())).equivalence.n == len(SEEDS)


def test_runs_are_paired_by_seed_in_whatever_order_they_finished():
    pairs = rows(SEEDS, moved(SEEDS, 0.001))
    mixed = [pairs[i] for i in np.random.default_rng(0).permutation(len(pairs))]
    assert compare(mixed, made()) == compare(pairs, made())
    # Not paired, the seeds' own spread would hide it.
    assert only(compare(mixed, made())).verdict == "equivalent"


def test_what_a_run_does_not_have_is_left_out_with_its_partner():
    keras, torch = [3.0, None, 3.2, 3.1, 2.9], [3.1, 3.0, None, 3.1, 3.0]
    found = only(compare(rows(keras, torch, quantity="epochs_to_plateau"), made()), "epochs")
    assert found.equivalence.n == 3
    # Seeds 0, 3 and 4.
    assert found.keras == pytest.approx((3.0 + 3.1 + 2.9) / 3)
    assert found.torch == pytest.approx((3.1 + 3.1 + 3.0) / 3)
    assert found.equivalence.difference == pytest.approx(-0.2 / 3)


def test_a_quantity_that_fewer_than_two_pairs_have_is_not_compared():
    keras, torch = [3.0, None, 3.0], [3.0, 3.0, None]
    assert compare(rows(keras, torch, quantity="epochs_to_plateau"), made()).comparisons == ()


def test_differences_are_keras_minus_torch():
    found = only(compare(rows(SEEDS, moved(SEEDS, -0.03)), made()))
    assert found.equivalence.difference == pytest.approx(0.03, abs=1e-4)
    assert found.equivalence.low > 0
    assert found.keras - found.torch == pytest.approx(found.equivalence.difference)


def cured(base_verdict, base, remedy, *, attribute):
    """Runs of a cause and of its remedy, and their two scenarios."""
    scenarios = made("cause", expected=base_verdict) | made("remedy", cures="cause")
    runs = [
        *rows(*base, scenario="cause", quantity=attribute),
        *rows(*remedy, scenario="remedy", quantity=attribute),
    ]
    return runs, scenarios


def test_the_effect_of_a_remedy_is_what_it_takes_off_the_gap_of_the_same_seed():
    base = [0.30, 0.34, 0.32, 0.36], [0.31, 0.33, 0.33, 0.35]
    remedy = [0.10, 0.12, 0.11, 0.15], [0.14, 0.14, 0.16, 0.16]
    runs, scenarios = cured("overfit", base, remedy, attribute="gap")
    found = compare(runs, scenarios)
    assert [(c.scenario, c.quantity, c.against) for c in found.comparisons] == [
        ("cause", "gap", None),
        ("remedy", "gap", None),
        ("remedy", "effect on gap", "cause"),
    ]
    effect = only(found, "effect on gap", "remedy")
    # Keras -0.20, -0.22, -0.21, -0.21; torch -0.17, -0.19, -0.17, -0.19.
    assert effect.keras == pytest.approx(-0.21)
    assert effect.torch == pytest.approx(-0.18)
    # Of the pairs -0.03, -0.03, -0.04, -0.02: mean -0.03, standard error 0.00816 / 2.
    assert effect.equivalence.difference == pytest.approx(-0.03)
    assert effect.equivalence.margin == 0.02
    t = 2.353363  # quantile 0.95 of Student's distribution with 3 degrees of freedom, from tables
    half = t * math.sqrt(2e-4 / 3) / 2
    assert effect.equivalence.low == pytest.approx(-0.03 - half, abs=1e-7)
    assert effect.equivalence.high == pytest.approx(-0.03 + half, abs=1e-7)


@pytest.mark.parametrize("base_verdict", ["underfit", "stagnant", "suspicious"])
def test_where_the_cured_run_does_not_overfit_the_effect_is_on_accuracy(base_verdict):
    base, remedy = ([0.60, 0.62], [0.60, 0.62]), ([0.90, 0.94], [0.80, 0.84])
    runs, scenarios = cured(base_verdict, base, remedy, attribute="val_accuracy")
    effect = only(compare(runs, scenarios), "effect on accuracy", "remedy")
    assert (effect.keras, effect.torch) == (pytest.approx(0.31), pytest.approx(0.21))
    assert effect.equivalence.margin == 0.015
    assert effect.verdict == "different"


def test_a_remedy_that_helps_less_in_one_half_differs_in_its_effect_alone():
    """Its own level is within the margin, and so is that of the run that it cures."""
    base = SEEDS, moved(SEEDS, 0.012)
    remedy = SEEDS, moved(SEEDS, -0.012)
    runs, scenarios = cured("underfit", base, remedy, attribute="val_accuracy")
    found = compare(runs, scenarios)
    verdicts = {(c.scenario, c.quantity): c.verdict for c in found.comparisons}
    assert verdicts == {
        ("cause", "accuracy"): "equivalent",
        ("remedy", "accuracy"): "equivalent",
        ("remedy", "effect on accuracy"): "different",
    }
    assert found.verdict == "fail"


def test_an_effect_is_of_the_seeds_that_both_scenarios_have():
    base, remedy = (SEEDS[:3], SEEDS[:3]), (SEEDS, SEEDS)
    runs, scenarios = cured("underfit", base, remedy, attribute="val_accuracy")
    found = compare(runs, scenarios)
    assert only(found, "effect on accuracy", "remedy").equivalence.n == 3
    assert only(found, "accuracy", "remedy").equivalence.n == len(SEEDS)


def test_a_remedy_without_the_run_that_it_cures_has_no_effect_to_compare():
    runs, scenarios = cured("overfit", ([], []), (SEEDS, SEEDS), attribute="gap")
    found = compare(runs, scenarios)
    assert [c.quantity for c in found.comparisons] == ["gap"]
    assert found.verdict == "pass"
    half = [row(seed, "keras", scenario="cause", gap=0.3) for seed in range(8)]
    assert compare(half + runs, scenarios).comparisons == found.comparisons


def sweep_of(seed=5, *, n=9, shifts=(0.0, 0.004, 0.03), sd=0.006):
    """Three scenarios of three quantities each: values by (scenario, attribute, half), and rows."""
    generator = np.random.default_rng(seed)
    names = {f"s{number}": shift for number, shift in enumerate(shifts)}
    values, runs = {}, []
    for name, shift in names.items():
        for attribute, scale in (("val_accuracy", 1), ("gap", 1), ("epochs_to_plateau", 130)):
            keras = generator.normal(0.9, 0.02, n) * scale
            noise = generator.normal(shift, sd, n) * scale
            values[name, attribute, "keras"], values[name, attribute, "torch"] = (
                keras,
                keras + noise,
            )
        runs += [
            row(k, half, scenario=name, **{a: values[name, a, half][k] for a in ATTRIBUTES})
            for half in HALVES
            for k in range(n)
        ]
    scenarios = {}
    for name in names:
        scenarios |= made(name)
    return values, runs, scenarios


# Attribute to margin: that of the epochs is a tenth of the 20 that a run has.
ATTRIBUTES = {"val_accuracy": 0.015, "gap": 0.02, "epochs_to_plateau": 2.0}


@pytest.mark.parametrize("mode", ["independent", "seeded"])
def test_only_p_values_of_a_difference_are_corrected_and_as_statsmodels_does(mode):
    values, runs, scenarios = sweep_of(shifts=(0.0, 0.013, 0.03), sd=0.01)
    same, other = [], []
    for name in scenarios:
        for attribute, margin in ATTRIBUTES.items():
            a, b = values[name, attribute, "keras"], values[name, attribute, "torch"]
            same.append(ttost_paired(a, b, -margin, margin)[0])
            differences = DescrStatsW(np.sign((a - b).mean()) * (a - b))
            is_seeded = mode == "seeded"
            beyond = differences.ttest_mean(margin, alternative="larger")[1]
            other.append(differences.ttest_mean(0)[1] if is_seeded else beyond)
    found = compare(runs, scenarios, mode=mode).comparisons
    np.testing.assert_allclose([c.equivalence.p for c in found], same, rtol=1e-8)
    corrected = multipletests(other, method="holm")[1]
    np.testing.assert_allclose([c.p_different for c in found], corrected, rtol=1e-8)
    # What is decided is decided by these.
    is_different, is_same = corrected < 0.05, np.array(same) < 0.05
    assert [c.verdict == "different" for c in found] == list(is_different)
    assert [c.verdict == "equivalent" for c in found] == list(is_same & ~is_different)
    assert {c.verdict for c in found} >= {"equivalent", "different"}


def test_power_and_the_seeds_that_are_needed_are_those_of_each_comparison_alone():
    values, runs, scenarios = sweep_of()
    found = compare(runs, scenarios).comparisons
    assert len(found) == 9
    for comparison, (name, attribute) in zip(
        found, ((n, a) for n in scenarios for a in ATTRIBUTES), strict=True
    ):
        differences = values[name, attribute, "keras"] - values[name, attribute, "torch"]
        known = {"sd": np.std(differences, ddof=1), "is_paired": True, "alpha": 0.05}
        margin = ATTRIBUTES[attribute]
        power = equivalence_power(margin, n=9, **known)
        assert comparison.equivalence.power == pytest.approx(power, rel=1e-9)
        assert comparison.equivalence.n_needed == needed_n(margin, **known)
        assert comparison.equivalence.alpha == 0.05


def test_in_seeded_mode_any_difference_that_noise_does_not_explain_fails():
    shifted = rows(SEEDS, moved(SEEDS, 0.002))
    assert compare(shifted, made()).verdict == "pass"
    found = compare(shifted, made(), mode="seeded")
    assert (found.verdict, only(found).verdict) == ("fail", "different")


def test_in_seeded_mode_rounding_without_a_preferred_sign_passes():
    noise = [1e-4, -1e-4, 2e-4, -2e-4, 1e-4, -1e-4, 2e-4, -2e-4]
    assert compare(rows(SEEDS, moved(SEEDS, 0, noise)), made(), mode="seeded").verdict == "pass"


def test_the_json_has_no_objects_and_no_numbers_that_json_lacks():
    _, runs, scenarios = sweep_of()
    found = compare(runs, scenarios).to_json()
    assert json.loads(json.dumps(encode_floats(found), allow_nan=False)) == found
    assert set(found) == {"verdict", "scenarios", "comparisons"}
    assert found["scenarios"][0] == {
        "scenario": "s0",
        "expected": "good_fit",
        "num_seeds": 9,
        "keras": {"good_fit": 9},
        "torch": {"good_fit": 9},
        "num_same": 9,
        "agrees": True,
    }


NUM_SWEEPS, NUM_COMPARISONS, SD = 400, 10, 0.012
# Three standard errors above 5 %: an honest procedure is beyond it in one of 740 cases.
LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / NUM_SWEEPS)


@pytest.fixture
def simulate(monkeypatch):
    """Sweeps of ten comparisons of pairs with normal noise; the verdicts of each."""
    # No verdict needs it, and it takes most of the time.
    monkeypatch.setattr("parity.stats.needed_n", lambda *_, **__: None)
    scenarios = {}
    for number in range(NUM_COMPARISONS):
        scenarios |= made(f"s{number}")

    def run(shifts, *, mode="independent", n=10, sd=SD):
        generator = np.random.default_rng(20)
        for _ in range(NUM_SWEEPS):
            runs = []
            for name, shift in zip(scenarios, shifts, strict=True):
                keras = generator.normal(0.9, 0.02, n)
                torch = keras + generator.normal(shift, sd, n)
                runs += rows(keras.tolist(), torch.tolist(), scenario=name)
            found = compare(runs, scenarios, mode=mode)
            yield [comparison.verdict for comparison in found.comparisons]

    return run


def test_false_alarms_are_at_most_one_in_twenty_sweeps_of_halves_that_are_alike(simulate):
    found = list(simulate([0.0] * NUM_COMPARISONS))
    assert sum("different" in verdicts for verdicts in found) / NUM_SWEEPS <= 0.05
    assert any("equivalent" in verdicts for verdicts in found)


def test_differences_exactly_as_great_as_the_margin_are_no_more_alarming(simulate):
    margin = 0.015
    found = list(simulate([margin, -margin] * (NUM_COMPARISONS // 2)))
    alarms = sum("different" in verdicts for verdicts in found) / NUM_SWEEPS
    assert 0.02 < alarms <= LIMIT  # and not never: the level is used up


def test_a_sweep_passes_as_rarely_as_one_comparison_errs_though_equivalence_is_not_corrected(
    simulate,
):
    """One comparison is exactly at its margin, the others are surely equivalent."""
    found = list(simulate([0.0] * (NUM_COMPARISONS - 1) + [0.015], sd=0.004))
    assert {verdict for verdicts in found for verdict in verdicts[:-1]} == {"equivalent"}
    passed = sum(set(verdicts) == {"equivalent"} for verdicts in found) / NUM_SWEEPS
    assert 0.02 < passed <= LIMIT


def test_in_seeded_mode_noise_alone_is_as_rarely_a_difference(simulate):
    found = list(simulate([0.0] * NUM_COMPARISONS, mode="seeded"))
    assert 0.02 < sum("different" in verdicts for verdicts in found) / NUM_SWEEPS <= LIMIT


def test_a_difference_of_three_margins_is_found_where_it_is(simulate):
    shifts = [0.0] * NUM_COMPARISONS
    shifts[3], shifts[6] = 0.045, -0.045
    found = list(simulate(shifts))
    both = sum(v[3] == v[6] == "different" for v in found) / NUM_SWEEPS
    assert both > 0.99
    elsewhere = sum("different" in [*v[:3], *v[4:6], *v[7:]] for v in found)
    assert elsewhere / NUM_SWEEPS <= 0.05


def test_equivalence_is_shown_as_often_as_the_power_that_is_told(simulate):
    sd = 0.015
    told = equivalence_power(0.015, sd, 10, is_paired=True)
    assert 0.4 < told < 0.95
    found = list(simulate([0.0] * NUM_COMPARISONS, sd=sd))
    seen = np.mean([verdict == "equivalent" for verdicts in found for verdict in verdicts])
    error = math.sqrt(told * (1 - told) / (NUM_SWEEPS * NUM_COMPARISONS))
    assert seen == pytest.approx(told, abs=4 * error)
