"""The envelope of tiny runs, against numbers worked out by hand."""

import json
import math

import numpy as np
import pytest
from traces import run_parts

from parity.files.floats import encode_floats
from parity.ladder.envelope import FACTOR, SPARE_SAMPLES, Envelope
from parity.programs.run_spec import EarlyStopping, ReduceLR

NAN, INF = math.nan, math.inf
RULE = ReduceLR(monitor="val_loss", min_delta=0.0)
# What a mean of 1.0 over one batch is allowed in float64, whatever the runs do.
MEAN = (8 + 1) * 2.0**-52


@pytest.fixture
def make(tmp_path):
    """Builds the envelope of runs given as parts, the reference first."""

    def build(*runs, floor=0.0, rules=()):
        traces = [run.write(tmp_path / str(number)) for number, run in enumerate(runs)]
        return Envelope(traces, factor=1.5, floor=floor, rules=rules)

    return build


@pytest.fixture
def three(make):
    """A reference and two perturbed runs: four steps, weights kept after 1, 2 and 4, two epochs.

    The weights are apart, after these steps, by
        reference and first    1.0  0.5  0.0
        reference and second   1.0  0.0  8.0
        first and second       2.0  0.5  8.0
    """

    def build(floor=0.0):
        two = {"steps_per_epoch": 2}
        return make(
            run_parts(
                [0.0, 0.0, 0.0, None, 0.0],
                [10.0, 10.0, 10.0, 10.0],
                val_losses=[1.0, 1.0],
                accuracies=[0.5, 0.5],
                **two,
            ),
            run_parts(
                [0.0, 1.0, 0.5, None, 0.0],
                [10.5, 10.0, 10.0, 10.0],
                val_losses=[1.0, 1.25],
                accuracies=[0.5, 0.5],
                **two,
            ),
            run_parts(
                [0.0, -1.0, 0.0, None, 8.0],
                [10.0, 10.0, 10.0, 14.0],
                val_losses=[1.0, 3.0],
                accuracies=[0.5, 0.25],
                **two,
            ),
            floor=floor,
        )

    return build


def test_the_constants_that_the_numbers_below_rest_on():
    assert (FACTOR, SPARE_SAMPLES) == (1.5, 2)


def test_the_hull_is_the_greatest_difference_so_far_of_any_two_runs(three):
    envelope = three()
    assert envelope.steps == [1, 2, 4]
    assert envelope.max_difference_by_step.tolist() == [2.0, 2.0, 8.0]
    assert [envelope.weights(step) for step in (1, 2, 4)] == [3.0, 3.0, 12.0]


def test_losses_are_allowed_their_greatest_ratio_to_the_weights(three):
    # 0.5 / 1.0 of reference and first after step 1; 4 / 8 of reference and second after step 4.
    # An unrecorded step has the weights of the next recorded one.
    allowed = three().running_loss(np.array([1, 2, 3, 4]))
    assert allowed.tolist() == [1.5 * 0.5 * apart for apart in (2.0, 2.0, 8.0, 8.0)]
    assert three().history("loss", 0) == 1.5 * 0.5 * 2.0
    assert three().history("loss", 1) == 1.5 * 0.5 * 8.0


def test_validation_losses_have_a_ratio_of_their_own(three):
    # 0.25 / 1.0, the greatest distance so far, of reference and first; 2 / 8 of the second.
    assert three().history("val_loss", 0) == 1.5 * 0.25 * 2.0
    assert three().history("val_loss", 1) == 1.5 * 0.25 * 8.0


@pytest.mark.parametrize("key", ["accuracy", "val_accuracy"])
def test_accuracies_are_allowed_their_spread_so_far_and_two_samples(three, key):
    assert three().history(key, 0) == 2 / 100
    assert three().history(key, 1) == 1.5 * 0.25 + 2 / 100


def test_the_spread_of_an_accuracy_is_kept_when_the_runs_meet_again(make):
    weights, losses = [0.0] * 4, [1.0] * 3
    envelope = make(
        run_parts(weights, losses, accuracies=[0.5, 0.5, 0.5]),
        run_parts(weights, losses, accuracies=[0.5, 0.75, 0.5]),
    )
    allowed = [envelope.history("accuracy", epoch) for epoch in range(3)]
    assert allowed == [0.02, 1.5 * 0.25 + 0.02, 1.5 * 0.25 + 0.02]


def test_what_accuracies_are_allowed_depends_on_the_number_of_samples(make):
    base = run_parts([0.0, 0.0], [1.0])
    base.facts.update(num_train=1000, num_val=50)
    envelope = make(base, base)
    assert envelope.history("accuracy", 0) == 2 / 1000
    assert envelope.history("val_accuracy", 0) == 2 / 50


def test_the_floor_is_allowed_in_any_case_but_not_to_accuracies(three):
    envelope = three(floor=4.0)
    assert [envelope.weights(step) for step in (1, 2, 4)] == [4.0, 4.0, 12.0]
    assert envelope.running_loss(np.array([1, 2, 3, 4])).tolist() == [4.0, 4.0, 6.0, 6.0]
    assert envelope.history("val_loss", 0) == 4.0
    assert envelope.history("accuracy", 0) == 2 / 100


def test_runs_that_never_part_allow_the_floor_alone(make):
    run = run_parts([0.0, 1.0, 2.0], [3.0, 2.0])
    assert make(run, run, floor=0.0).weights(2) == 0.0
    assert make(run, run, floor=1e-12).weights(2) == 1e-12
    assert make(run, run, floor=1e-12).history("loss", 1) == 1e-12


def test_a_mean_is_allowed_its_own_rounding_where_no_two_runs_differ(make):
    losses = [4.0, -2.0, 0.0, 0.5]
    run = run_parts(
        [0.0] * 5, losses, val_losses=[8.0], steps_per_epoch=4, dtype="float32", accuracies=[0.5]
    )
    envelope = make(run, run)
    allowed = envelope.running_loss(np.array([1, 2, 3, 4]))
    # (8 + the root of 4 batches) × the epsilon of float32
    assert allowed.tolist() == [10 * 2.0**-23 * abs(loss) for loss in losses]
    assert envelope.history("loss", 0) == 10 * 2.0**-23 * 0.5
    assert envelope.history("val_loss", 0) == 10 * 2.0**-23 * 8.0
    assert envelope.weights(4) == 0.0


def test_a_short_run_is_paired_with_the_reference_only(make):
    base = run_parts([0.0, 0.0, 0.0], [1.0, 1.0])
    whole = run_parts([0.0, 1.0, 1.0], [1.0, 1.0])
    short = run_parts([0.0, -3.0], [1.0])
    assert make(base, whole, short).max_difference_by_step.tolist() == [
        3.0,
        3.0,
    ]  # not 4: whole against short
    assert make(base, whole).max_difference_by_step.tolist() == [1.0, 1.0]


def test_losses_and_accuracies_of_a_short_run_count_as_far_as_it_goes(make):
    base = run_parts([0.0, 0.0, 0.0], [1.0, 1.0])
    whole = run_parts([0.0, 1.0, 1.0], [1.0, 1.0])
    short = run_parts([0.0, 1.0], [1.5], accuracies=[0.25], val_losses=[1.25])
    envelope = make(base, whole, short)
    assert envelope.history("loss", 1) == 1.5 * 0.5
    assert envelope.history("val_loss", 1) == 1.5 * 0.25
    assert envelope.history("accuracy", 0) == 1.5 * 0.25 + 0.02
    assert envelope.num_perturbations == 2


def test_the_greatest_of_several_weights_counts(make):
    base, other = run_parts([0.0, 0.0], [1.0]), run_parts([0.0, 0.5], [1.0])
    base.arrays["trajectory/1/v"] = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    other.arrays["trajectory/1/v"] = np.array([[1.0, 2.0], [3.0, 1.0]], np.float32)
    assert make(base, other).max_difference_by_step.tolist() == [3.0]


def test_the_initial_weights_do_not_count(make):
    assert make(
        run_parts([0.0, 0.0], [1.0]), run_parts([9.0, 0.0], [1.0])
    ).max_difference_by_step.tolist() == [0.0]


@pytest.mark.parametrize(
    ("rates", "may_part"),
    [
        ([0.1, 0.1, 0.1], [False, False, False]),
        ([0.1, 0.01, 0.01], [False, True, True]),
        ([0.1, 0.1, 0.01], [False, False, True]),
        ([0.1, 0.1], [False, False, False]),
        ([0.1, 0.01], [False, True, True]),
    ],
    ids=["as the reference", "from 1 on", "from 2 on", "short", "short, from 1 on"],
)
def test_rates_may_part_once_those_of_a_perturbed_run_have(make, rates, may_part):
    base = run_parts([0.0] * 4, [1.0] * 3, rates=[0.1] * 3)
    count = len(rates)
    other = run_parts([0.0] * (count + 1), [1.0] * count, rates=rates)
    envelope = make(base, base, other)
    assert [envelope.may_part(epoch) for epoch in range(3)] == may_part


def close_runs(losses, noise):
    """Two runs whose weights are 1 apart, and whose validation losses are `noise` apart."""
    count = len(losses)
    return (
        run_parts([0.0] * (count + 1), [1.0] * count, val_losses=losses),
        run_parts([1.0] * (count + 1), [1.0] * count, val_losses=[v + noise for v in losses]),
    )


@pytest.mark.parametrize(
    ("losses", "noise", "min_delta", "may_part"),
    [
        # Two losses are compared, each off by up to 1.5 × noise. 0.875 against the best, 0.75:
        ([1.0, 0.75, 0.875, 0.875], 0.03125, 0.0, [False] * 4),  # 0.125 > 0.09375
        ([1.0, 0.75, 0.875, 0.875], 0.0625, 0.0, [False, False, False, True]),  # <= 0.1875
        ([1.0, 0.75, 0.5, 0.25], 0.0625, 0.0, [False] * 4),
        # An improvement by just min_delta is none: hangs on everything.
        ([1.0, 0.75, 0.25, 0.0], 0.001, 0.25, [False, False, True, True]),
    ],
    ids=["clear", "close", "always better", "close to min_delta"],
)
def test_rates_may_part_after_a_decision_within_the_noise(make, losses, noise, min_delta, may_part):
    rule = ReduceLR(monitor="val_loss", min_delta=min_delta)
    envelope = make(*close_runs(losses, noise), rules=[rule])
    assert [envelope.may_part(epoch) for epoch in range(4)] == may_part


def test_without_a_rule_no_decision_is_close(make):
    envelope = make(*close_runs([1.0, 1.0, 1.0], 0.0625))
    assert not any(envelope.may_part(epoch) for epoch in range(3))


def test_the_rule_looks_at_the_loss_that_it_monitors(make):
    runs = close_runs([1.0, 0.75, 0.5], 0.0625)  # the training losses are all equal: close
    assert not make(*runs, rules=[RULE]).may_part(2)
    assert make(*runs, rules=[ReduceLR(monitor="loss", min_delta=0.0)]).may_part(2)


@pytest.mark.parametrize("rule", [ReduceLR, EarlyStopping], ids=["rate", "end"])
def test_a_close_decision_of_either_rule_lets_the_runs_part(make, rule):
    runs = close_runs([1.0, 0.75, 0.5], 0.0625)  # training losses are close, validation is not
    far, close = (rule(monitor=key, min_delta=0.0) for key in ("val_loss", "loss"))
    other = ReduceLR(monitor="val_loss", min_delta=0.0)
    assert not make(*runs, rules=[far, other]).may_part(2)
    assert make(*runs, rules=[other, close]).may_part(2)
    assert make(*runs, rules=[close, other]).may_part(2)


@pytest.mark.parametrize(
    ("start", "may_part"),
    [(0, [False] * 5), (2, [False, False, False, False, True]), (3, [False] * 5)],
)
def test_losses_before_the_start_of_a_rule_decide_nothing(make, start, may_part):
    # 1.0 is the first that is watched, and 0.96875 is within 1.5 × 2 × 0.03125 of it. Against 0.25,
    # the best of all, both are clear.
    runs = close_runs([0.25, 0.5, 1.0, 0.96875], 0.03125)
    rule = EarlyStopping(monitor="val_loss", start_from_epoch=start)
    envelope = make(*runs, rules=[rule])
    assert [envelope.may_part(epoch) for epoch in range(5)] == may_part


def ended_runs(*lengths, planned=5):
    """Runs which early stopping ended after so many epochs, each at another weight."""
    return [
        run_parts(
            [0.0, *[2.0**number - 1] * length],
            [1.0 + number] * length,
            planned=planned,
        )
        for number, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("lengths", "may_part"),
    [
        ((3, 3, 3), [False] * 4),
        ((3, 3, 2), [False, False, True, True]),
        ((3, 1, 3), [False, True, True, True]),
        ((3, 4, 3), [False, False, False, True]),
        ((3, 5, 5), [False, False, False, True]),
    ],
    ids=str,
)
def test_runs_may_end_apart_from_where_a_perturbed_run_did(make, lengths, may_part):
    envelope = make(*ended_runs(*lengths))
    assert [envelope.may_part(epoch) for epoch in range(4)] == may_part


def test_a_run_that_was_planned_shorter_says_nothing_of_the_epochs_after_it(make):
    base, whole = ended_runs(3, 3)
    (short,) = ended_runs(2, planned=2)
    assert not any(make(base, whole, short).may_part(epoch) for epoch in range(4))
    # Planned for four and run for four, where the reference ended after three.
    (longer,) = ended_runs(4, planned=4)
    assert [make(base, longer).may_part(epoch) for epoch in range(4)] == [False] * 3 + [True]


def test_runs_that_go_on_after_the_reference_count_as_far_as_it_goes(make):
    base, first, second = ended_runs(2, 4, 3)
    # The weights are 1 and 3 away from the reference and 2 from each other; so are the losses.
    envelope = make(base, first, second)
    assert envelope.steps == [1, 2]
    assert envelope.max_difference_by_step.tolist() == [3.0, 3.0]
    assert envelope.running_loss(np.array([1, 2])).tolist() == [1.5 * 3.0] * 2
    assert [envelope.history("loss", epoch) for epoch in range(2)] == [1.5 * 3.0] * 2


def test_where_the_reference_goes_on_alone_the_envelope_stays_as_it_is(make):
    base, first, second = ended_runs(4, 2, 1)
    envelope = make(base, first, second)
    assert envelope.steps == [1, 2, 3, 4]
    assert envelope.max_difference_by_step.tolist() == [3.0] * 4
    assert envelope.weights(4) == 1.5 * 3.0
    assert envelope.history("val_loss", 3) == MEAN
    assert [envelope.may_part(epoch) for epoch in range(4)] == [False, True, True, True]


@pytest.mark.parametrize("diverged", [NAN, INF, -INF], ids=str)
@pytest.mark.parametrize("loss", [1.0, NAN], ids=["same loss", "loss diverges too"])
def test_where_one_perturbed_run_diverges_anything_is_allowed_and_the_origin_says_so(
    make, diverged, loss
):
    base = run_parts([0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    near = run_parts([0.0, 0.5, 0.5, 0.5], [1.0, 1.0, 1.0])
    gone = run_parts([0.0, 0.5, diverged, diverged], [1.0, loss, loss], val_losses=[1, loss, loss])
    envelope = make(base, near, gone, rules=[RULE])
    assert [envelope.weights(step) for step in (1, 2, 3)] == [0.75, INF, INF]
    # Losses that never differed have a ratio of 0, and 0 times infinity must not be NaN.
    assert envelope.running_loss(np.array([1, 2, 3])).tolist() == [MEAN, INF, INF]
    for key in ("loss", "val_loss"):
        assert [envelope.history(key, epoch) for epoch in range(3)] == [MEAN, INF, INF]
    assert envelope.may_part(2)
    assert "after step 1 rounding decides which run diverges" in envelope.tolerance_source
    json.dumps(encode_floats(envelope.to_json()), allow_nan=False)


def test_where_all_runs_diverge_alike_nothing_more_is_allowed(make):
    base = run_parts([0.0, 0.0, NAN], [1.0, NAN], val_losses=[1.0, NAN])
    other = run_parts([0.0, 0.5, NAN], [1.0, NAN], val_losses=[1.0, NAN])
    envelope = make(base, other, rules=[RULE])
    assert envelope.max_difference_by_step.tolist() == [0.5, 0.5]
    assert envelope.running_loss(np.array([1, 2])).tolist() == [MEAN, 0.0]
    assert envelope.history("val_loss", 1) == 0.0
    assert not envelope.may_part(1)
    assert "diverges" not in envelope.tolerance_source


@pytest.mark.parametrize("order", [1, -1], ids=["NaN last", "NaN first"])
def test_an_accuracy_that_is_nan_in_one_run_allows_anything_in_any_order(make, order):
    fine = run_parts([0.0, 0.0], [1.0], accuracies=[0.5])
    gone = run_parts([0.0, 0.0], [1.0], accuracies=[NAN])
    assert make(*[fine, gone][::order]).history("accuracy", 0) == INF
    assert make(gone, gone).history("accuracy", 0) == 0.02


def test_a_loss_that_diverges_in_one_run_leaves_the_ratio_of_the_others(make):
    base = run_parts([0.0, 0.0, 0.0], [1.0, 1.0])
    near = run_parts([0.0, 1.0, 1.0], [1.5, 1.0])
    gone = run_parts([0.0, 1.0, 1.0], [INF, 1.0])
    assert make(base, near, gone).running_loss(np.array([1, 2])).tolist() == [0.75, 0.75]


def test_the_origin_counts_the_runs(three):
    assert "any two of 3 Keras runs, 2 of them" in three().tolerance_source


def test_the_json_says_how_it_was_measured(three):
    assert three().to_json() == {
        "num_perturbations": 2,
        "factor": 1.5,
        "steps": [1, 2, 4],
        "max_difference_by_step": [2.0, 2.0, 8.0],
        "sensitivity": {"loss": 0.5, "val_loss": 0.25},
    }
