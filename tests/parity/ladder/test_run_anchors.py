"""A run with anchors: steps from recorded states are compared, and the free runs may part."""

import numpy as np
import pytest
from ladder_runs import NAN, failing, levels_of
from traces import STEPS_PER_EPOCH, anchored_parts

from parity.ladder.anchored import MOST, ROUNDING_FACTOR
from parity.ladder.engine import compare_level
from parity.ladder.items import FAIL, PASS
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.table import OF_RUN
from parity.programs.run_spec import EarlyStopping, ReduceLR


@pytest.fixture
def compared(tmp_path):
    """Compares a run with anchors and one in which `change` was made; both may have rules."""

    def run(change=None, reference=None, **settings):
        keras, torch = anchored_parts(**settings), anchored_parts(**settings)
        if reference is not None:
            reference(keras)
        if change is not None:
            change(torch)
        return levels_of(keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch"))

    return run


def level(levels, name):
    return levels[LEVEL_IDS.index(name)]


def moved(key, by):
    def change(parts):
        parts.arrays[key] = (parts.arrays[key] + by).astype(parts.arrays[key].dtype)

    return change


def free_run_parts(parts):
    """What chaos makes of the free run: other weights, losses and history."""
    parts.arrays["running_loss"] += 0.25
    for key in [key for key in parts.arrays if key.startswith("trajectory/")]:
        if not key.startswith("trajectory/0/"):
            parts.arrays[key] = parts.arrays[key] + 0.5
    for key in ("loss", "val_loss"):
        parts.history[key] = [value + 0.25 for value in parts.history[key]]


def test_runs_that_agree_at_every_anchor_pass(compared):
    levels = compared()
    assert [each.status for each in levels] == [PASS] * 11
    assert level(levels, "trajectory").not_compared == ()
    source = level(levels, "trajectory").tolerance_source
    assert "3 recorded states, 3 steps each in float64" in source
    assert source.endswith("in the median of 13 states")


def test_free_runs_may_part_where_the_anchors_agree(compared):
    assert [each.status for each in compared(free_run_parts)] == [PASS] * 11


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize(
    ("key", "size", "name", "note"),
    [
        ("moved/1/conv1.kernel", 0.5, "conv1.kernel", "after one step"),
        ("moved/2/conv1.kernel", 0.25, "conv1.kernel", "after 2 steps"),
        ("slots/2/momentum/conv1.kernel", 0.125, "momentum of conv1.kernel", "after 2 steps"),
        ("norm/conv1.kernel", 0.5, "gradient of conv1.kernel", ""),
        ("loss", 0.5, "loss", ""),
        ("running", 0.75, "loss and accuracy", ""),
    ],
)
def test_an_array_may_differ_by_a_billionth_and_no_more(compared, step, key, size, name, note):
    key = f"anchored/{step}/{key}"
    assert level(compared(moved(key, 0.98e-9 * size)), "trajectory").status == PASS
    found = failing(compared(moved(key, 1.05e-9 * size)))
    first = found.first_failure
    assert (found.id, first.name, first.unit) == ("trajectory", name, "rel")
    assert (first.step, first.epoch) == (step, step // STEPS_PER_EPOCH)
    assert first.worst == pytest.approx(1.05e-9, rel=1e-3)
    assert first.note.endswith(note)


@pytest.mark.parametrize(("noise", "is_compared"), [(MOST / 30, True), (MOST / 29, False)])
def test_an_array_that_rounding_decides_is_not_compared_and_said(compared, noise, is_compared):
    key = "slots/2/momentum/conv1.kernel"

    def noisy(parts):
        parts.arrays[f"anchor_noise/{key}"][:] = noise

    assert 30 * (MOST / 30) == MOST == 1e-3
    # The largest value is 0.125.
    found = level(compared(moved(f"anchored/1/{key}", 1e-4), noisy), "trajectory")
    assert found.status == PASS
    told = dict(found.not_compared)
    if is_compared:
        assert not told
        return
    assert "rounding decides it" in told["momentum of conv1.kernel from the state at step 1"]


def test_the_worst_item_of_runs_that_agree_is_a_difference_and_not_a_rounding(compared):
    worst = level(compared(moved("anchored/1/loss", 1e-13)), "trajectory").worst
    assert (worst.name, worst.unit) == ("loss", "rel")


def test_a_port_may_round_ten_times_as_much_as_the_reference_and_no_more(compared):
    def rounds(times):
        def change(parts):
            for step in (0, 1, 3):
                exact = parts.arrays[f"anchored/{step}/moved/1/conv1.kernel"]
                parts.arrays[f"anchored/{step}/float32/conv1.kernel"] = exact + times * 1e-8

        return change

    assert ROUNDING_FACTOR == 10
    assert level(compared(rounds(0.98 * ROUNDING_FACTOR)), "trajectory").status == PASS
    first = failing(compared(rounds(1.05 * ROUNDING_FACTOR))).first_failure
    assert (first.name, first.unit, first.step) == ("rounding of conv1.kernel", "roundings", 0)
    assert first.worst == pytest.approx(1.05 * ROUNDING_FACTOR, rel=1e-5)


def test_the_validation_at_the_begin_of_an_epoch_is_compared(compared):
    first = failing(compared(moved("anchored/0/validation", 1e-8))).first_failure
    assert (first.name, first.step) == ("val_loss and val_accuracy", 0)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("labels", "labels of the batches"),
        ("images", "images of the batches"),
        ("masks/dropout1", "generator of dropout1's masks"),
    ],
)
def test_what_is_fed_at_an_anchor_is_compared_exactly(compared, key, name):
    first = failing(compared(moved(f"anchored/3/{key}", 1))).first_failure
    assert (first.name, first.step) == (name, 3)


def test_an_array_that_the_port_lacks_fails(compared):
    def change(parts):
        del parts.arrays["anchored/1/norm/conv1.kernel"]

    first = failing(compared(change)).first_failure
    assert (first.step, first.note) == (1, "absent in the port")


@pytest.mark.parametrize(("steps", "epoch"), [([5], 2), ([1, 4], 0)], ids=str)
def test_what_changes_outside_of_the_steps_fails_with_its_step(compared, steps, epoch):
    """No step from a recorded state shows it: slots that are cleared, weights that are averaged."""

    def cleared(parts):
        parts.arrays["between_steps"][steps] = 20

    for torch, keras, values in ((cleared, None, (0, 20)), (None, cleared, (20, 0))):
        found = failing(compared(torch, keras))
        first = found.first_failure
        assert found.id == "trajectory"
        assert first.name == "weights and slots changed between two steps"
        assert (first.step, first.epoch) == (steps[0], epoch)
        assert (first.keras, first.torch) == values
    # A callback of both halves may do so.
    assert level(compared(cleared, cleared), "trajectory").status == PASS


RULE = ReduceLR(patience=1, factor=0.1)


def cut_before(epoch):
    """A rate that is cut before an epoch, counted from 0, as its own losses demand."""

    def change(parts):
        # Keras keeps the rate in float32, in which 0.001 * 0.1 is not 0.0001.
        start = np.float32(0.001)
        rates = [float(start if e < epoch else np.float32(float(start) * 0.1)) for e in range(3)]
        losses = [0.5, 0.4, 0.3]
        losses[epoch - 1] = 0.9
        parts.history |= {"learning_rate": rates, "val_loss": losses}
        parts.arrays["rates"] = np.repeat(rates, STEPS_PER_EPOCH)

    return change


def test_halves_that_decide_otherwise_by_their_own_losses_pass_and_the_margin_is_told(compared):
    levels = compared(cut_before(2), cut_before(3), reduce_lr=RULE)
    schedule = level(levels, "schedule")
    assert schedule.status == PASS
    assert "from epoch 3 on they decide otherwise" in schedule.tolerance_source
    # Keras's losses fell from 0.5 to 0.4, less a min_delta of 0.0001.
    assert schedule.tolerance_source.endswith(
        "the val_loss of the halves differ by up to 0.5, and Keras decided on an improvement by "
        "0.1 in epoch 2"
    )


def test_rates_that_no_rule_explains_are_no_decision(compared):
    def other(parts):
        parts.history["learning_rate"] = [*parts.history["learning_rate"][:2], 0.5]
        parts.arrays["rates"] = np.repeat(parts.history["learning_rate"], STEPS_PER_EPOCH)

    found = failing(compared(other))
    assert found.id == "schedule"
    assert found.tolerance_source.endswith("each half by the rules, from its own losses")


def test_a_half_that_does_not_decide_as_its_rule_fails(compared):
    # Its losses demand a cut after two epochs, and it cuts after three.
    def late(parts):
        cut_before(2)(parts)
        losses = parts.history["val_loss"]
        cut_before(3)(parts)
        parts.history["val_loss"] = losses

    found = failing(compared(late, cut_before(2), reduce_lr=RULE))
    first = found.first_failure
    assert (found.id, first.epoch) == ("schedule", 2)
    assert first.name == "learning_rate of torch by the rule"


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (3, 1), (5, 2)])
def test_a_rate_within_an_epoch_that_the_history_does_not_have_fails_with_its_step(
    compared, step, epoch
):
    def change(parts):
        parts.arrays["rates"][step:] *= 1.01

    found = failing(compared(change))
    first = found.first_failure
    assert (found.id, first.name) == ("schedule", "learning rates of torch's steps")
    assert (first.step, first.epoch) == (step, epoch)


@pytest.mark.parametrize("length", [5, 7])
def test_rates_of_another_number_of_steps_fail(tmp_path, length):
    keras, torch = anchored_parts(), anchored_parts()
    torch.arrays["rates"] = np.resize(torch.arrays["rates"], length)
    traces = keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")
    first = compare_level("schedule", OF_RUN, *traces).first_failure
    assert (first.name, first.note) == ("learning rates of torch's steps", "shape or dtype differs")
    assert (first.step, first.epoch) == (None, None)


def test_the_last_steps_of_a_run_are_compared_from_their_anchor(compared):
    """Two steps are made from it, and two are left."""

    def late(parts):
        parts.facts["anchors"] = parts.facts["anchors_measured"] = [0, 1, 4]
        for key in [key for key in parts.arrays if key.startswith("anchored/3/")]:
            parts.arrays[key.replace("/3/", "/4/", 1)] = parts.arrays.pop(key)

    def wrong(parts):
        late(parts)
        parts.arrays["anchored/4/loss"] += 1

    assert level(compared(late, late), "trajectory").status == PASS
    assert failing(compared(wrong, late)).first_failure.step == 4


@pytest.mark.parametrize("best", [1, 2, 3])
def test_weights_that_a_half_ends_with_are_those_of_its_best_epoch(compared, best):
    rule = EarlyStopping(patience=3, restore_best_weights=True)

    def has_best(parts):
        parts.history["val_loss"] = [0.25 if epoch == best else 0.5 for epoch in (1, 2, 3)]
        for name in ("conv1.kernel", "dense1.bias"):
            parts.arrays[f"trajectory/{2 * best}/{name}"] += 0.5
            parts.arrays[f"restored/{name}"] = parts.arrays[f"trajectory/{2 * best}/{name}"].copy()

    settings = {"early_stopping": rule}
    assert level(compared(has_best, **settings), "schedule").status == PASS

    def of_another(parts):
        has_best(parts)
        parts.arrays["restored/conv1.kernel"] = parts.arrays["trajectory/1/conv1.kernel"]

    first = failing(compared(of_another, **settings)).first_failure
    assert first.name == f"conv1.kernel that torch ends with, of epoch {best}"
    assert first.step == 2 * best


def fit_of(accuracy, val_accuracy, *, num_val=200):
    def change(parts):
        # The last epoch counts; equal ones would be those of a net that names one class.
        parts.history["accuracy"] = [0.5, 0.75, accuracy]
        parts.history["val_accuracy"] = [0.5, 0.625, val_accuracy]
        parts.facts |= {"num_train": 600, "num_val": num_val}

    return change


@pytest.mark.parametrize(
    ("keras", "torch", "num_val", "status"),
    [
        # A gap of 0.057 is one above the limit, 0.049 is none.
        ((0.95, 0.893), (0.95, 0.901), 200, PASS),
        ((0.95, 0.901), (0.95, 0.893), 200, PASS),
        # Gaps of 0.20 and 0.04 are 0.16 apart; 200 samples explain up to about 0.1.
        ((0.95, 0.75), (0.95, 0.91), 200, FAIL),
        # With 100,000 samples 0.057 and 0.045 are two gaps.
        ((0.95, 0.893), (0.95, 0.905), 100_000, FAIL),
    ],
    ids=["near the limit", "the other way", "far apart", "many samples"],
)
def test_two_verdicts_near_a_limit_pass_if_chance_explains_them(
    compared, keras, torch, num_val, status
):
    levels = compared(fit_of(*torch, num_val=num_val), fit_of(*keras, num_val=num_val))
    assert level(levels, "behaviour").status == status


def test_two_verdicts_may_differ_by_three_deviations_of_two_counts(compared):
    behaviour = level(compared(fit_of(0.95, 0.901), fit_of(0.95, 0.893)), "behaviour")
    # One right and one wrong sample more: 571 of 602, and 180.4 of 202.
    variances = [2 * p * (1 - p) / n for p, n in ((571 / 602, 600), (180.4 / 202, 200))]
    limits = [3 * variance**0.5 for variance in (*variances, sum(variances))]
    names = ["train_accuracy", "val_accuracy", "gap"]
    assert [item.name for item in behaviour.items] == names
    assert [item.allowed for item in behaviour.items] == pytest.approx(limits)
    assert [item.worst for item in behaviour.items] == pytest.approx([0, 0.008, 0.008])
    source = behaviour.tolerance_source
    assert source.startswith("the same verdict, or numbers that differ by less than chance; Keras:")
    assert "Keras: overfit, training is better" in source
    assert "; torch: good_fit, training accuracy" in source


def test_runs_with_the_same_verdict_are_compared_by_it_alone(compared):
    behaviour = level(compared(), "behaviour")
    assert behaviour.tolerance_source == "the same verdict"
    assert [item.name for item in behaviour.items] == ["verdict"]


def test_a_run_that_diverges_in_one_half_only_fails(compared):
    def change(parts):
        parts.history["val_loss"][2] = NAN

    found = failing(compared(change))
    assert (found.id, found.first_failure.name) == ("behaviour", "verdict")
    assert found.tolerance_source == "the same verdict"


def test_a_port_that_stops_earlier_by_its_own_losses_is_compared_as_far_as_it_goes(compared):
    def stopped(parts):
        parts.history["val_loss"] = [0.5, 0.75, 0.4]
        for column in parts.history.values():
            del column[2:]
        for name in ("running_loss", "rates", "between_steps"):
            parts.arrays[name] = parts.arrays[name][:4]
        for name in ("conv1.kernel", "dense1.bias"):
            for step in (5, 6):
                del parts.arrays[f"trajectory/{step}/{name}"]
            parts.arrays[f"restored/{name}"] = parts.arrays[f"trajectory/4/{name}"]
        for key in [key for key in parts.arrays if key.startswith("anchored/3/")]:
            del parts.arrays[key]

    levels = compared(stopped, early_stopping=EarlyStopping(patience=1))
    assert {item.step for item in level(levels, "trajectory").items} == {None, 0, 1}
    assert [each.status for each in levels] == [PASS] * 11
