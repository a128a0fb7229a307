"""The levels of a probe: what passes, and what one changed number fails."""

import check_pairs
import numpy as np
import pytest
from ladder_probes import differing, fact, failed, moved, scheduled, statuses

from parity.data.probe_inputs import rule_sequences
from parity.errors import InputError
from parity.ladder.comparers.gradient import of_equal_values
from parity.ladder.comparers.probe import CONSTANT_RATE
from parity.ladder.items import FAIL, LEVEL_IDS, PASS, SKIPPED
from parity.ladder.rounding import LEARNING_RATE


def _may_change(share):
    return f"it agrees, but rounding may change it by more than {share} of its size"


def test_a_right_port_passes(compared_probe):
    levels = compared_probe()
    assert list(levels) == list(LEVEL_IDS)
    found = statuses(levels)
    assert {found.pop("schedule"), found.pop("behaviour")} == {SKIPPED}
    assert set(found.values()) == {PASS}
    assert all(item.num_compared for level in levels.values() for item in level.items)


def test_a_schedule_passes_and_says_what_it_leaves_out(compared_probe):
    level = compared_probe(reference=scheduled)["schedule"]
    assert level.status == PASS
    assert level.tolerance_source.endswith("; not compared: TensorBoard")
    assert {item.name for item in level.items} == {"learning_rate", "epoch at which training stops"}


def test_initial_weights_are_compared_of_a_port_that_loads_weights_too(compared_probe):
    def loading(port):
        port.facts["given"]["load"] = True

    def wrong(port):
        loading(port)
        port.arrays["init/dense1.bias"] += 1

    assert statuses(compared_probe(loading))["init"] == PASS
    assert failed(compared_probe(wrong)) == ("init", ["dense1.bias"])


def test_what_rounding_does_in_keras_is_allowed_the_port(compared_probe):
    def noisy(r):
        r.facts["noise"]["forward/train/dense2/output"] = 1e-10

    for part in ("output", "own"):
        change = moved(f"forward/train/dense2/{part}")
        assert differing(compared_probe(change, noisy)) == {}
        assert list(differing(compared_probe(change))) == ["forward"]


def after_cut(port):
    """Moves a weight behind the cut, in a port without a scheduler."""
    port.facts["given"]["scheduler"] = False
    moved("optimizer/12/weights/dense1.kernel")(port)


def test_what_differs_behind_a_cut_is_no_fault_of_a_program_whose_rate_is_constant(compared_probe):
    level = compared_probe(after_cut)["optimizer"]
    assert level.status == PASS
    assert level.not_compared == (("steps after a cut of the rate", CONSTANT_RATE),)


@pytest.mark.parametrize(
    "reference",
    [
        lambda r: r.facts["schedule"].update(kind="CosineDecay"),
        lambda r: r.facts["schedule"].update(callbacks=[{"class": "ReduceLROnPlateau"}]),
        lambda r: r.facts["schedule"].update(not_compared=["OwnCallback"]),
    ],
    ids=["schedule", "callback", "own_callback"],
)
def test_what_differs_behind_a_cut_is_a_fault_of_a_program_that_may_cut(compared_probe, reference):
    def only_optimizer(change):
        return compared_probe(after_cut, change, levels=("optimizer",))["optimizer"]

    assert only_optimizer(reference).status == FAIL
    stopping = [{"class": "EarlyStopping"}]
    stops = only_optimizer(lambda r: r.facts["schedule"].update(callbacks=stopping))
    assert stops.status == PASS


CHANGED = {
    "weight": ("weights/dense2.bias", "structure", ["dense2.bias (as carried over)"]),
    "model_output": ("forward/train/output", "forward", ["output (train)"]),
    "confident": ("loss/confident/value", "loss", ["loss of confident outputs"]),
    "confident_gradient": ("loss/confident/gradient", "loss", ["its gradient"]),
    "loss": ("loss/value", "loss", ["loss"]),
    "eval_output": ("forward/eval/output", "forward", ["output (eval)"]),
    "gradient": ("gradient/dense1.bias", "gradient", ["dense1.bias"]),
    "optimizer": ("optimizer/2/weights/dense2.kernel", "optimizer", ["dense2.kernel"]),
    "trajectory": ("trajectory/2/dense1.kernel", "trajectory", ["dense1.kernel"]),
    "trajectory_loss": ("trajectory/loss/2", "trajectory", ["loss"]),
}


@pytest.mark.parametrize(("key", "level", "items"), CHANGED.values(), ids=CHANGED)
def test_one_changed_number_fails_at_its_level_and_nowhere_else(compared_probe, key, level, items):
    assert failed(compared_probe(moved(key))) == (level, items)


ARRIVED = "gradient that reaches dense1.activation"
FORCED = {
    "gradient": ("forced/gradient/dense1.bias", "dense1.bias, with Keras's values"),
    "arrived": ("forced/arrived/dropout", "gradient that reaches dropout"),
    "loss": ("loss/own", "loss of Keras's outputs"),
}


@pytest.mark.parametrize(("key", "item"), FORCED.values(), ids=FORCED)
def test_what_the_port_makes_of_keras_values_fails_nothing_by_itself(compared_probe, key, item):
    levels = compared_probe(moved(key, 1.0))
    assert FAIL not in statuses(levels).values()
    (found,) = differing(levels).values()
    assert found == [item]


@pytest.mark.parametrize(("is_open", "expected"), [(False, []), (True, [ARRIVED])])
def test_a_gradient_that_an_activation_cuts_off_is_not_compared(compared_probe, is_open, expected):
    """Only what goes on to the input of a ReLU has an effect."""

    def change(port, reference):
        (row, column), *_ = np.argwhere((reference > 0) == is_open)
        port.arrays["forced/arrived/dense1.activation"][row, column] += 1.0

    output = check_pairs.recorded().arrays["forward/train/dense1.activation/output"]
    levels = compared_probe(lambda port: change(port, output))
    assert FAIL not in statuses(levels).values()
    assert [name for items in differing(levels).values() for name in items] == expected


STEPS = np.array([[1.0, 1.0, 0.5], [2.0, 2.0, 2.0]])[..., None]  # (N, T, 1): values of a pool


@pytest.mark.parametrize(
    ("theirs", "ours", "is_same"),
    [
        ([[3, 3, 0], [2, 2, 2]], [[6, 0, 0], [0, 6, 0]], True),  # the first of equal steps, or all
        ([[3, 3, 0], [2, 2, 2]], [[3, 0, 3], [0, 6, 0]], False),  # of another value
        ([[3, 3, 0], [2, 2, 2]], [[6, 0, 0], [0, 5, 0]], False),  # less in all
        ([[3, 3, 0], [2, 2, 2]], [[0, 6, 0], [6, 0, 1]], False),  # more in all
    ],
)
def test_equal_values_share_the_gradient_of_their_maximum_in_any_way(theirs, ours, is_same):
    made = [of_equal_values(STEPS, np.array(each, float)[..., None]) for each in (theirs, ours)]
    assert np.array_equal(*made) == is_same
    assert made[0].shape == STEPS.shape


def test_a_gradient_of_values_without_steps_stays():
    gradient = np.array([[1.0, 2.0]])
    assert of_equal_values(np.array([[1.0, 1.0]]), gradient) is gradient


def test_other_data_fails_where_outputs_differ(compared_probe):
    """A port may prepare its input itself."""
    given = moved("forward/eval/dense1/input/0")
    assert FAIL not in statuses(compared_probe(given)).values()

    def change(port):
        given(port)
        moved("forward/eval/output")(port)

    levels = statuses(compared_probe(change))
    assert [name for name, status in levels.items() if status == FAIL] == ["data", "forward"]


def test_a_weight_without_a_gradient_fails_whatever_else_is_compared(compared_probe):
    """Even if the port has no optimizer, and differs before."""

    def change(port):
        del port.arrays["gradient/dense1.kernel"]
        moved("forward/train/output", 1.0)(port)
        port.facts["given"]["optimizer"] = False

    levels = compared_probe(change)
    failing = [item for item in levels["gradient"].items if item.status == FAIL]
    assert [(item.name, item.keras, item.torch) for item in failing] == [
        ("dense1.kernel", "a gradient", "no gradient")
    ]


def noisy(share, others=1e6):
    """As if rounding moved the gradient of a bias, which is small beside the others."""

    def change(r):
        r.facts["noise"]["gradient/dense1.bias"] = share / 30
        for name in ("dense1.kernel", "dense2.kernel", "dense2.bias"):
            r.arrays[f"gradient/{name}"] = r.arrays[f"gradient/{name}"] * others

    return change


def test_a_gradient_that_is_hardly_more_than_rounding_is_left_out_and_told(compared_probe):
    level = compared_probe(moved("gradient/dense1.bias", 0.01), noisy(0.03))["gradient"]
    assert level.status == PASS
    assert level.not_compared == (("gradient of dense1.bias", _may_change("1e-06")),)
    assert not any("dense1.bias" in item.name for item in level.items)
    # Where it differs by more than rounding may change, it fails all the same.
    levels = compared_probe(moved("gradient/dense1.bias", 0.05), noisy(0.03))
    assert failed(levels) == ("gradient", ["dense1.bias"])


def test_a_gradient_that_rounding_changes_a_little_is_compared_within_that(compared_probe):
    level = compared_probe(moved("gradient/dense1.bias", 4e-7), noisy(6e-7, 1e3))["gradient"]
    assert (level.status, level.not_compared) == (PASS, ())
    assert "dense1.bias" in [item.name for item in level.items]
    levels = compared_probe(moved("gradient/dense1.bias", 8e-7), noisy(6e-7, 1e3))
    assert failed(levels) == ("gradient", ["dense1.bias"])


def test_weights_that_follow_rounding_in_training_are_left_out_and_told(compared_probe):
    def change(r):
        r.facts["noise"]["trajectory/2/dense1.bias"] = 0.01 / 30
        r.arrays["gradient/dense1.bias"] = r.arrays["gradient/dense1.bias"] * 0  # Lion's, say

    def at_most(r):
        change(r)
        r.facts["noise"]["trajectory/2/dense1.bias"] = 1e-3 / 30

    assert compared_probe(None, at_most)["trajectory"].not_compared == ()
    level = compared_probe(moved("trajectory/2/dense1.bias", 0.005), change)["trajectory"]
    assert level.status == PASS
    ((what, why),) = level.not_compared
    assert (what, why) == ("dense1.bias in training", _may_change("0.001"))
    levels = compared_probe(moved("trajectory/2/dense1.bias", 0.02), change)
    assert failed(levels) == ("trajectory", ["dense1.bias"])


@pytest.mark.parametrize(
    ("key", "place", "item"),
    [
        ("schedule/steps", 29, ("learning_rate", "step", 29)),
        ("schedule/epochs", 3, ("learning_rate", "epoch", 3)),
        ("schedule/stopped", (), ("epoch at which training stops", "epoch", None)),
    ],
    ids=["step", "epoch", "stop"],
)
def test_a_changed_rate_fails_at_its_step_or_epoch(compared_probe, key, place, item):
    def change(port):
        port.arrays[key] = np.array(port.arrays[key])
        port.arrays[key][place] += port.arrays[key][place] * 1e-6 if place != () else 1

    level = compared_probe(change, scheduled)["schedule"]
    name, unit, number = item
    assert (level.status, level.first_failure.name) == (FAIL, name)
    assert getattr(level.first_failure, unit) == number
    assert [i.name for i in level.items if i.status == FAIL] == [name]


def with_exact(r):
    """Rates of steps as exact numbers give them, a millionth further, and one of 0."""
    scheduled(r)
    r.arrays["schedule/exact"] = r.arrays["schedule/steps"] * (1 + 1e-6)
    r.arrays["schedule/steps"][5], r.arrays["schedule/exact"][5] = 0.0, 1e-8


def test_what_keras_rounds_in_a_rate_is_allowed_the_port_twice_up_to_four_units(compared_probe):
    level = compared_probe(None, with_exact, levels=("schedule",))["schedule"]
    steps = [item for item in level.items if item.step is not None]
    assert [steps[number].step for number in (0, 127, 128, -1)] == [0, 127, 200, 1001]
    # A millionth of 0.1 is more than four units in the last place of it; of 0.001 it is less.
    allowed = [1.2e-7 + 2 * 4 / 2**23, 1.2e-7 + 2e-8, 1.2e-7 + 2e-6]
    assert [steps[number].allowed for number in (0, 5, -1)] == pytest.approx(allowed, rel=1e-6)
    epochs = [item for item in level.items if item.epoch is not None]
    assert {item.allowed for item in epochs} == {1.2e-7}
    assert [item.epoch for item in epochs] == list(range(12))


PLATEAU = {"class": "ReduceLROnPlateau", "monitor": "val_loss", "patience": 1, "factor": 0.5}
SEQUENCES = list(rule_sequences(0, [PLATEAU]))


def ruled(r):
    """A rule cuts the rate twice in all sequences but the first, and stops at epoch 7 in them."""
    scheduled(r)
    r.facts["schedule"].update(callbacks=[PLATEAU])
    r.arrays["schedule/decisions"] = np.array([[-1, 5], *([[7, 3]] * (len(SEQUENCES) - 1))])
    rates = np.repeat([0.1, 0.05, 0.025], 4)
    r.arrays["schedule/rule_rates"] = np.array([[0.1] * 12, *([rates] * (len(SEQUENCES) - 1))])


@pytest.mark.parametrize(
    ("key", "at", "name"),
    [
        ("decisions", (0, 0), f"epoch at which training stops ({SEQUENCES[0]})"),
        ("decisions", (2, 0), f"epoch at which training stops ({SEQUENCES[2]})"),
        ("decisions", (2, 1), f"epoch whose weights are kept ({SEQUENCES[2]})"),
        ("rule_rates", (0, 3), f"learning_rate ({SEQUENCES[0]})"),
        ("rule_rates", (4, 11), f"learning_rate ({SEQUENCES[4]})"),
    ],
)
def test_what_a_rule_decides_in_one_sequence_alone_fails(compared_probe, key, at, name):
    def change(port):
        port.arrays[f"schedule/{key}"][at] += 1

    assert statuses(compared_probe(None, ruled))["schedule"] == PASS
    assert failed(compared_probe(change, ruled)) == ("schedule", [name])


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(("times", "status"), [(0.9, PASS), (1.1, FAIL)])
def test_keras_rounds_a_rate_once_and_at_each_change(compared_probe, row, times, status):
    """To float32; the first sequence changes nothing, the others twice."""

    def change(port):
        port.arrays["schedule/rule_rates"][row] *= 1 + times * LEARNING_RATE * (1, 3)[row]

    assert statuses(compared_probe(change, ruled))["schedule"] == status


def test_code_of_the_users_may_round_rates_by_as_much_as_a_schedule_of_keras(compared_probe):
    def with_own(r):
        scheduled(r)
        r.facts["schedule"]["exact_known"] = False

    level = compared_probe(None, with_own, levels=("schedule",))["schedule"]
    steps = [item for item in level.items if item.step is not None]
    # Twice four units in the last place of the largest rate, which is 0.1.
    allowed = [1.2e-7 + 8 / 2**23 * 0.1 / item.keras for item in steps]
    assert [item.allowed for item in steps] == pytest.approx(allowed, rel=1e-6)
    epochs = [item for item in level.items if item.epoch is not None]
    assert {item.allowed for item in epochs} == {1.2e-7}


def test_a_port_may_have_the_rates_of_the_formula_or_those_of_compiled_steps(compared_probe):
    def with_late_stair(r):
        scheduled(r)
        steps = r.arrays["schedule/steps"]
        r.arrays["schedule/compiled"] = np.where(np.arange(len(steps)) == 30, 2 * steps, steps)

    def late(port):
        port.arrays["schedule/steps"] = port.arrays["schedule/steps"].copy()
        port.arrays["schedule/steps"][30] *= 2

    def later(port):
        late(port)
        port.arrays["schedule/steps"][31] *= 2

    assert compared_probe(None, with_late_stair)["schedule"].status == PASS
    assert compared_probe(late, with_late_stair)["schedule"].status == PASS
    level = compared_probe(later, with_late_stair)["schedule"]
    assert (level.status, level.first_failure.step) == (FAIL, 31)
    assert compared_probe(late, scheduled)["schedule"].status == FAIL


def test_a_schedule_is_compared_as_far_as_both_halves_made_it(compared_probe):
    def shorter(port):
        port.arrays["schedule/steps"] = port.arrays["schedule/steps"][:9]
        del port.arrays["schedule/epochs"], port.arrays["schedule/stopped"]

    level = compared_probe(shorter, scheduled, levels=("schedule",))["schedule"]
    assert [item.step for item in level.items] == list(range(9))
    assert level.status == PASS


@pytest.mark.parametrize(
    ("kind", "callbacks", "applies"),
    [
        (None, [], False),
        (None, [{"class": "EarlyStopping"}], True),
        ("CosineDecay", [], True),
    ],
)
def test_a_schedule_or_a_callback_is_something_to_compare(compared_probe, kind, callbacks, applies):
    def reference(r):
        scheduled(r)
        r.facts["schedule"] = {"kind": kind, "callbacks": callbacks}

    level = compared_probe(None, reference, levels=("schedule",))["schedule"]
    assert (level.status, level.applies) == (PASS if applies else SKIPPED, applies)
    assert "not compared" not in level.tolerance_source


@pytest.mark.parametrize(
    ("losses", "allowed"),
    [
        # Relative to the largest loss, of which the second is a hundredth.
        ([1.0, 0.01, 1.0], [1e-12, 1e-10, 1e-12]),
        ([4.0, 0.0, 4.0], [1e-12, 4e-12, 1e-12]),
        ([0.5, 0.0, 0.25], [1e-12, 1e-12, 2e-12]),
    ],
)
def test_a_loss_that_has_fallen_is_as_uncertain_as_the_largest(compared_probe, losses, allowed):
    def reference(r):
        r.arrays["trajectory/losses"] = np.array(losses)

    level = compared_probe(None, reference, levels=("trajectory",))["trajectory"]
    found = [item for item in level.items if item.name == "loss"]
    assert [item.step for item in found] == [1, 2, 3]
    assert [item.allowed for item in found] == pytest.approx(allowed)
    assert level.status == PASS


def test_a_weight_that_the_port_lacks_leaves_the_others_to_be_compared(compared_probe):
    def change(port):
        del port.arrays["trajectory/1/dense1.kernel"]
        moved("trajectory/1/dense2.bias")(port)

    assert failed(compared_probe(change)) == ("trajectory", ["dense2.bias"])


def test_a_weight_that_the_port_holds_otherwise_leaves_the_others_to_be_compared(compared_probe):
    def change(port):
        port.facts["given"]["load"] = True
        port.arrays["weights/dense1.kernel"] = port.arrays["weights/dense1.kernel"] + 1
        port.arrays["trajectory/1/dense1.kernel"] = port.arrays["trajectory/1/dense1.kernel"] + 1
        moved("trajectory/1/dense2.bias")(port)

    level = compared_probe(change, levels=("trajectory",))["trajectory"]
    assert [item.name for item in level.items if item.status == FAIL] == ["dense2.bias"]
    assert [what for what, _ in level.not_compared] == ["dense1.kernel in training"]


def test_a_loss_that_the_port_does_not_give_leaves_out_a_training_with_penalties(compared_probe):
    def penalized(r):
        r.arrays["penalty_gradient/dense1.kernel"] = np.zeros((5, 4))

    def only_trajectory(*changes):
        return compared_probe(*changes, levels=("trajectory",))["trajectory"]

    level = only_trajectory(fact(False, "given", "loss"), penalized)
    assert level.status == SKIPPED
    assert "the port gives no loss, and Keras's loss has penalties" in level.tolerance_source
    assert only_trajectory(None, penalized).status == PASS
    assert only_trajectory(fact(False, "given", "loss")).status == PASS


@pytest.mark.parametrize(("stopped", "text"), [(11, "12"), (0, "1"), (-1, "never")])
def test_the_epoch_at_which_training_stops_is_counted_from_1(compared_probe, stopped, text):
    def reference(r):
        scheduled(r)
        r.arrays["schedule/stopped"] = np.array(stopped)

    item = compared_probe(None, reference)["schedule"].items[-1]
    assert (item.name, item.keras, item.torch) == ("epoch at which training stops", text, text)


def test_a_learning_rate_may_have_the_rounding_of_float32(compared_probe):
    def change(port, by):
        port.arrays["optimizer/learning_rate"] = port.arrays["optimizer/learning_rate"] * (1 + by)

    assert statuses(compared_probe(lambda port: change(port, 1e-7)))["optimizer"] == PASS
    level, items = failed(compared_probe(lambda port: change(port, 2e-7)))
    assert (level, set(items)) == ("optimizer", {"learning_rate"})


def test_a_learning_rate_may_have_the_rounding_of_a_schedule_in_float32(compared_probe):
    """Four units in the last place of the largest rate: much, where the rate is small."""

    def scheduled_rates(recorded):
        recorded.facts["schedule"]["kind"] = "step"
        recorded.arrays["optimizer/learning_rate"][-1] = 0.25 * 2**-10

    def change(port, by):
        port.arrays["optimizer/learning_rate"][-1] = 0.25 * (2**-10 + by * 2.0**-23)

    assert (
        statuses(compared_probe(lambda port: change(port, 4), scheduled_rates))["optimizer"] == PASS
    )
    level, items = failed(compared_probe(lambda port: change(port, 6), scheduled_rates))
    assert (level, set(items)) == ("optimizer", {"learning_rate"})


def test_how_the_port_is_fed_is_told(compared_probe):
    level = compared_probe(fact("fed with channels first", "fed"))["data"]
    assert "as it reaches the first layer (fed with channels first);" in level.tolerance_source


@pytest.mark.parametrize(
    ("stage", "level"),
    [
        ("forward/eval", "forward"),
        ("forward/train", "forward"),
        ("loss", "loss"),
        ("gradient", "gradient"),
        ("optimizer", "optimizer"),
        ("trajectory", "trajectory"),
        ("schedule", "schedule"),
    ],
)
def test_what_the_port_raises_is_a_failure_with_its_words(compared_probe, stage, level):
    levels = compared_probe(fact({stage: "KeyError: 'x' (net.py:7)"}, "raised"), scheduled)
    assert failed(levels) == (level, [f"{stage} raises"])
    item = levels[level].first_failure
    assert (item.keras, item.torch) == ("nothing", "KeyError: 'x' (net.py:7)")


def set_fact(name, value):
    return lambda r: r.facts.update({name: value})


SKIPPED_LEVELS = {
    "no_loss_in_keras": (None, set_fact("loss", None), {
        "loss": "the Keras model has no single loss",
        "metrics": "the Keras model has no single loss",
        "gradient": "the Keras model has no single loss",
        "trajectory": "the Keras model is not compiled",
    }),
    "no_optimizer_in_keras": (None, set_fact("optimizer", None), {
        "optimizer": "the Keras model has no optimizer",
        "trajectory": "the Keras model is not compiled",
    }),
    "no_loss": (fact(False, "given", "loss"), None, {"loss": "the port gives no loss"}),
    "unknown_loss": (fact("give the port a loss", "no_loss"), None, {
        "gradient": "give the port a loss",
        "trajectory": "give the port a loss",
    }),
    "no_optimizer": (fact(False, "given", "optimizer"), scheduled, {
        "optimizer": "the port gives no optimizer",
        "trajectory": "the port gives no optimizer",
        "schedule": "the port gives no optimizer",
    }),
}  # fmt: skip


@pytest.mark.parametrize(("port", "reference", "skipped"), SKIPPED_LEVELS.values(),
                         ids=SKIPPED_LEVELS)  # fmt: skip
def test_a_level_that_cannot_be_compared_is_skipped_with_its_reason(
    compared_probe, port, reference, skipped
):
    levels = compared_probe(port, reference)
    always = {"behaviour"} if reference is scheduled else {"behaviour", "schedule"}
    assert {n for n, level in levels.items() if level.status == SKIPPED} == {*skipped, *always}
    assert {name: levels[name].tolerance_source for name in skipped} == skipped
    assert FAIL not in statuses(levels).values()


def test_a_bundle_that_lacks_what_the_port_has_is_an_input_error(compared_probe):
    def lack(r):
        del r.arrays["optimizer/7/weights/dense1.bias"]

    def put(port):
        port.arrays["optimizer/7/weights/dense1.bias"] = np.zeros(4)

    with pytest.raises(InputError, match="it has no array 'optimizer/7/weights/dense1"):
        compared_probe(put, lack)


def test_steps_after_which_keras_diverges_are_left_out_and_told(compared_probe):
    def diverging(r):
        for key in ("trajectory/losses", "trajectory/2/dense1.bias"):
            r.arrays[key] = r.arrays[key].copy()
        r.arrays["trajectory/losses"][1] = np.inf
        r.arrays["trajectory/2/dense1.bias"][0] = np.nan

    def port(r):
        r.arrays["trajectory/loss/2"] = np.array(np.nan)
        r.arrays["trajectory/2/dense1.bias"] = np.full(4, np.inf)

    level = compared_probe(port, diverging)["trajectory"]
    assert level.status == PASS
    ((what, why),) = level.not_compared
    assert what == "training from step 2 on"
    assert "diverges" in why
    levels = compared_probe(moved("trajectory/1/dense1.bias", 0.01), diverging)
    assert failed(levels) == ("trajectory", ["dense1.bias"])
