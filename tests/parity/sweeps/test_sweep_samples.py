"""The quantities of a sweep: which seeds have a value in both halves, and with which margin."""

from dataclasses import replace

import pytest
from rows import each_row
from swept import run

from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import Margins, Scenario, Terms
from parity.sweeps.samples import QUANTITIES, Sample, output_of, samples_of

MARGINS = Margins(accuracy=0.015, gap=0.02, epochs=0.1)


def pairs(attribute, keras, torch, *, seeds=None):
    """A pair of runs for every pair of values, with seeds from 0."""
    seeds = range(len(keras)) if seeds is None else seeds
    both = zip(seeds, keras, torch, strict=True)
    return {seed: tuple(run(**{attribute: value}) for value in values) for seed, *values in both}


def scenario(name="some", *, expected="good_fit", cures=None):
    return {name: Scenario("Made.", RunSpec(scenario=name), expected, cures)}


def found(runs, scenarios=None, *, trained=None, margins=MARGINS):
    """The comparisons of runs by scenario, all of which trained unless said otherwise."""
    scenarios = scenarios or scenario()
    limits = dict.fromkeys(runs, margins)
    return samples_of(runs, runs if trained is None else trained, scenarios, limits)


def test_a_comparison_has_the_values_of_both_halves_by_seed():
    runs = pairs("val_accuracy", [0.9, 0.8, 0.7], [0.91, 0.82, 0.73], seeds=[2, 5, 9])
    assert found({"some": runs}) == [
        Sample(
            scenario="some",
            quantity="accuracy",
            against=None,
            margin=0.015,
            seeds=(2, 5, 9),
            keras=(0.9, 0.8, 0.7),
            torch=(0.91, 0.82, 0.73),
            num_left_out=0,
            has_diverged=False,
        )
    ]


def test_a_program_of_several_outputs_is_compared_by_losses_and_each_known_accuracy():
    """The port has no accuracy of "b", and none of "c" is known in either half."""
    keras, torch = {"a": 0.9, "b": 0.8}, {"a": 0.7}
    runs = pairs("output_accuracies", [keras] * 2, [torch] * 2)
    runs = {seed: tuple(replace(r, val_loss=1.0) for r in pair) for seed, pair in runs.items()}
    compared = {s.quantity: s for s in found({"some": runs}, {"some": Terms()})}
    assert list(compared) == ["val_loss", "a_accuracy"]
    sample = compared["a_accuracy"]
    assert (sample.keras, sample.torch, sample.margin) == ((0.9, 0.9), (0.7, 0.7), 0.015)
    names = ("a_accuracy", "accuracy", "val_loss", "effect on accuracy")
    assert list(map(output_of, names)) == ["a", None, None, None]


@each_row(
    ("quantity", "epochs", "margin"),
    [
        ("accuracy", (20, 20), 0.015),
        ("gap", (20, 20), 0.02),
        # A tenth of the epochs of the longest run; early stopping ends some before others.
        ("epochs", (20, 20), 2.0),
        ("epochs", (4, 10), 1.0),
    ],
)
def test_each_quantity_has_its_own_margin(quantity, epochs, margin):
    attribute, _ = QUANTITIES[quantity]
    runs = {
        seed: (run(num_epochs=4, **{attribute: 0.5}), run(num_epochs=n, **{attribute: 0.5}))
        for seed, n in enumerate(epochs)
    }
    (sample,) = found({"some": runs})
    assert (sample.quantity, sample.margin) == (quantity, pytest.approx(margin))


@each_row(
    ("keras", "torch", "untrained", "seeds"),
    [
        # What a run does not have is left out with its partner.
        ([3.0, None, 3.2, 3.1, 2.9], [3.1, 3.0, None, 3.1, 3.0], None, (0, 3, 4)),
        ([3.0, 9.0, 3.2, 3.1], [3.1, 3.0, 3.3, 3.1], 1, (0, 2, 3)),  # a run that did not train
    ],
)
def test_seeds_that_are_left_out_are_counted(keras, torch, untrained, seeds):
    runs = pairs("epochs_to_plateau", keras, torch)
    trained = {seed: pair for seed, pair in runs.items() if seed != untrained}
    (sample,) = found({"some": runs}, trained={"some": trained})
    assert (sample.seeds, sample.num_left_out) == (seeds, len(keras) - 3)
    values = tuple((keras[seed], torch[seed]) for seed in seeds)
    assert tuple(zip(sample.keras, sample.torch, strict=True)) == values


@each_row(("keras", "torch"), [([3.0, None, 3.0], [3.0, 3.0, None]), ([3.0], [3.0]), ([], [])])
def test_a_quantity_that_fewer_than_two_pairs_have_is_not_compared(keras, torch):
    assert found({"some": pairs("epochs_to_plateau", keras, torch)}) == []


# A seed more, of which torch's run diverged.
WITH_A_DIVERGED_RUN = {99: (run(), run("diverged"))}


@each_row(("expected", "has_diverged"), [("good_fit", True), (None, True), ("diverged", False)])
def test_a_run_that_diverged_is_told_of_all_quantities_unless_it_was_meant_to(
    expected, has_diverged
):
    trained = pairs("gap", [0.1, 0.1], [0.1, 0.1])
    (sample,) = found(
        {"some": trained | WITH_A_DIVERGED_RUN},
        scenario(expected=expected),
        trained={"some": trained},
    )
    assert sample.has_diverged == has_diverged


def of_a_remedy(base, remedy, *, base_verdict="overfit", attribute="gap", diverged=()):
    """The comparisons of a cause and its remedy, by scenario and quantity."""
    scenarios = scenario("cause", expected=base_verdict) | scenario("remedy", cures="cause")
    trained = {"cause": pairs(attribute, *base), "remedy": pairs(attribute, *remedy)}
    runs = {
        name: each | (WITH_A_DIVERGED_RUN if name in diverged else {})
        for name, each in trained.items()
    }
    samples = found(runs, scenarios, trained=trained)
    return {(sample.scenario, sample.quantity): sample for sample in samples}


OF_OVERFITTING = {
    "base": ([0.30, 0.34, 0.32, 0.36], [0.31, 0.33, 0.33, 0.35]),
    "remedy": ([0.10, 0.12, 0.11, 0.15], [0.14, 0.14, 0.16, 0.16]),
}
OF_ANOTHER = {
    "base": ([0.60, 0.62], [0.60, 0.62]),
    "remedy": ([0.90, 0.94], [0.80, 0.84]),
    "attribute": "val_accuracy",
}
MORE_SEEDS = {"base": ([0.3] * 3, [0.3] * 3), "remedy": ([0.1] * 8, [0.1] * 8)}


@each_row(
    ("remedy", "quantity", "margin", "keras", "torch"),
    [
        # It is what it takes off the gap of the same seed.
        (OF_OVERFITTING, "gap", 0.02, [-0.20, -0.22, -0.21, -0.21], [-0.17, -0.19, -0.17, -0.19]),
        # Where the cured run does not overfit, it is on accuracy.
        *(
            ({**OF_ANOTHER, "base_verdict": verdict}, "accuracy", 0.015, [0.30, 0.32], [0.20, 0.22])
            for verdict in ("underfit", "stagnant", "suspicious", "good_fit", "diverged", None)
        ),
        # It is of the seeds that both scenarios have.
        (MORE_SEEDS, "gap", 0.02, [-0.2] * 3, [-0.2] * 3),
    ],
)
def test_the_effect_of_a_remedy_is_on_what_it_cures(remedy, quantity, margin, keras, torch):
    samples = of_a_remedy(**remedy)
    names = [("cause", quantity), ("remedy", quantity), ("remedy", f"effect on {quantity}")]
    assert list(samples) == names
    _, level, effect = samples.values()
    assert (effect.against, effect.margin, effect.num_left_out) == ("cause", margin, 0)
    assert (list(effect.keras), list(effect.torch)) == (pytest.approx(keras), pytest.approx(torch))
    assert len(level.seeds) == len(remedy["remedy"][0])


def test_where_the_cured_run_diverged_the_effect_has_no_equivalence_either():
    samples = of_a_remedy(([0.3] * 3, [0.3] * 3), ([0.1] * 3, [0.1] * 3), diverged=["cause"])
    assert {name: sample.has_diverged for name, sample in samples.items()} == {
        ("cause", "gap"): True,
        ("remedy", "gap"): False,
        ("remedy", "effect on gap"): True,
    }


OWN = {"some": Terms()}
A_REMEDY_AND_ITS_CAUSE = {"plain": Terms(), "cured": Terms("plain")}


def test_a_program_without_accuracy_is_compared_by_its_losses():
    runs = {
        seed: tuple(run("undecided", train_loss=a, val_loss=2 * a) for a in values)
        for seed, values in enumerate([(1.0, 3.0), (2.0, 2.0)])
    }
    samples = found({"some": runs}, OWN, margins=Margins(loss=0.1))
    assert [(sample.quantity, sample.margin, sample.scale) for sample in samples] == [
        ("loss", 0.1, 2.0),  # the mean of 1, 3, 2 and 2
        ("val_loss", 0.1, 4.0),
    ]
    assert [list(each) for each in samples[0].scaled] == [[0.5, 1.0], [1.5, 1.0]]
    assert samples[0].keras == (1.0, 2.0)


def test_the_scale_of_a_loss_is_above_0_whatever_its_sign():
    """A likelihood may be below 0, and a loss may be 0 in every run."""
    for value, scale in ((-2.0, 2.0), (0.0, 1.0)):
        (sample,) = found({"some": pairs("train_loss", [value] * 2, [value] * 2)}, OWN)
        assert sample.scale == scale


def test_the_effect_of_a_remedy_of_the_users_is_that_on_gap_and_accuracy():
    runs = {
        name: dict.fromkeys((0, 1), (run(gap=gap, val_accuracy=accuracy),) * 2)
        for name, (gap, accuracy) in {"plain": (0.3, 0.7), "cured": (0.1, 0.85)}.items()
    }
    samples = found(runs, A_REMEDY_AND_ITS_CAUSE)
    assert {sample.quantity: sample.keras for sample in samples if sample.against == "plain"} == {
        "effect on gap": pytest.approx((-0.2, -0.2)),
        "effect on accuracy": pytest.approx((0.15, 0.15)),
    }


def test_without_accuracy_the_effect_is_that_on_the_validation_loss_of_what_is_cured():
    losses = {"plain": [4.0, 4.0], "cured": [1.0, 3.0]}
    runs = {name: pairs("val_loss", values, values) for name, values in losses.items()}
    samples = found(runs, A_REMEDY_AND_ITS_CAUSE)
    effects = [(each.quantity, each.keras, each.scale) for each in samples if each.against]
    assert effects == [("effect on val_loss", (-3.0, -1.0), 4.0)]
