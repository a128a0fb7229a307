"""The levels of a probe: what passes, and what one changed number fails."""

import check_pairs
import numpy as np
import pytest
from ladder_probes import LEFT_OUT, RATES, moved, scheduled, told
from trace_changes import added, both, fact, gone, put, scaled, set_to

from parity.data.probe_inputs import SCHEDULE_STEPS, rule_sequences
from parity.errors import InputError
from parity.ladder.comparers.gradient import of_equal_values
from parity.ladder.comparers.optimizer import _DIVERGES
from parity.ladder.comparers.probe import CONSTANT_RATE, IN_OTHER_FORM
from parity.ladder.items import DIFFERS, FAIL, LEVEL_IDS, PASS, SKIPPED
from parity.ladder.rounding import LEARNING_RATE


def test_every_item_of_a_right_port_compares_something(compared_probe):
    levels = compared_probe()
    assert list(levels) == list(LEVEL_IDS)
    assert told(levels) == {}
    assert all(item.num_compared for level in levels.values() for item in level.items)


def fails(level, *items):
    return {level: {FAIL: list(items)}}


def differs(level, *items):
    return {level: {DIFFERS: list(items)}}


def left_out(level, what, why):
    return {level: {LEFT_OUT: {what: why}}}


def may_change(share):
    return f"it agrees, but rounding may change it by more than {share} of its size"


def noise(key, share):
    return fact(share, "noise", key)


def without(part):
    return fact(False, "given", part)


LOADS = fact(True, "given", "load")
OUTPUT = "forward/train/dense2/output"
OTHER_DATA, OTHER_INPUT = moved("forward/eval/dense1/input/0"), ["input of dense1 (eval)"]

# A weight moves behind the cut, in a port without a scheduler.
AFTER_CUT = both(without("scheduler"), moved("optimizer/12/weights/dense1.kernel"))
NO_RATES = {"schedule": "there is nothing to compare"}
CUTS = fails("optimizer", "dense1.kernel")
CUT_LEFT_OUT = left_out("optimizer", "steps after a cut of the rate", CONSTANT_RATE)

# Only what goes on to the input of a ReLU has an effect.
ARRIVED = "forced/arrived/dense1.activation"
IS_OPEN = check_pairs.recorded().arrays["forward/train/dense1.activation/output"] > 0


def noisy_bias(share, others=1e6):
    """As if rounding moved the gradient of a bias, which is small beside the others."""
    large = [f"gradient/{name}" for name in check_pairs.SHAPES if name != "dense1.bias"]
    return both(noise("gradient/dense1.bias", share / 30), *(scaled(k, others) for k in large))


def noisy_step(share):
    """Of a weight without a gradient, which Lion moves, say."""
    return both(noise("trajectory/2/dense1.bias", share / 30), scaled("gradient/dense1.bias", 0))


IN_TRAINING = left_out("trajectory", "dense1.bias in training", may_change("0.001"))

PLATEAU = {"class": "ReduceLROnPlateau", "monitor": "val_loss", "patience": 1, "factor": 0.5}
SEQUENCES = list(rule_sequences(0, [PLATEAU]))
LATER = len(SEQUENCES) - 1
# A rule cuts the rate twice in all sequences but the first, and stops at epoch 7 in them.
RULED = both(
    scheduled,
    fact([PLATEAU], "schedule", "callbacks"),
    put(
        {
            "schedule/decisions": [[-1, 5], *([[7, 3]] * LATER)],
            "schedule/rule_rates": [[0.1] * 12, *([np.repeat([0.1, 0.05, 0.025], 4)] * LATER)],
        }
    ),
)


def rounded_rates(row, times):
    """The rates of a sequence, of which Keras rounds the first once, and the others at cuts."""
    return scaled("schedule/rule_rates", 1 + times * LEARNING_RATE * (1, 3)[row], row)


# Keras compiles a stair a step later than its formula has it.
LATE_STAIR = both(scheduled, put({"schedule/compiled": RATES}), scaled("schedule/compiled", 2, 30))
LATE = scaled("schedule/steps", 2, 30)

OTHER_FORM = both(
    LOADS,
    added("weights/dense1.kernel", 1),
    added("trajectory/1/dense1.kernel", 1),
    moved("trajectory/1/dense2.bias"),
)
PENALTIES = put({"penalty_gradient/dense1.kernel": np.zeros((5, 4))})
BY_PENALTY = "the port gives no loss, and Keras's loss has penalties"
NO_LOSS = {"loss": "the port gives no loss"}

# Four units in the last place of the largest rate: much, where the rate is small.
SMALL_RATE = both(
    fact("step", "schedule", "kind"), set_to("optimizer/learning_rate", 0.25 * 2**-10, -1)
)


def small_rate(units):
    return set_to("optimizer/learning_rate", 0.25 * (2**-10 + units * 2.0**-23), -1)


DIVERGING = both(
    set_to("trajectory/losses", np.inf, 1), set_to("trajectory/2/dense1.bias", np.nan, 0)
)
DIVERGING_TOO = put({"trajectory/loss/2": np.nan, "trajectory/2/dense1.bias": np.full(4, np.inf)})
FROM_STEP_2 = {LEFT_OUT: {"training from step 2 on": _DIVERGES}}

NOT_COMPILED = "the Keras model is not compiled"
NO_SINGLE_LOSS = dict.fromkeys(
    ("loss", "metrics", "gradient"), "the Keras model has no single loss"
)
NO_OPTIMIZER = dict.fromkeys(("optimizer", "trajectory"), "the port gives no optimizer")

# What the port has otherwise, what Keras, and what is told of the levels.
CASES = {
    "loads": (LOADS, None, {}),
    "loads, and draws others": (
        both(LOADS, added("init/dense1.bias", 1)), None, fails("init", "dense1.bias")),
    # What rounding does in Keras is allowed the port.
    "output": (moved(OUTPUT), None, differs("forward", "dense2 (train)")),
    "own output": (moved("forward/train/dense2/own"), None,
                   differs("forward", "dense2, with Keras's input (train)")),
    "rounding": (moved(OUTPUT), noise(OUTPUT, 1e-10), {}),
    "own rounding": (moved("forward/train/dense2/own"), noise(OUTPUT, 1e-10), {}),
    # What differs behind a cut is a fault of a program that may cut the rate.
    "constant rate": (AFTER_CUT, None, CUT_LEFT_OUT),
    "schedule cuts": (AFTER_CUT, fact("CosineDecay", "schedule", "kind"), CUTS | NO_RATES),
    "callback cuts": (AFTER_CUT, fact([{"class": "ReduceLROnPlateau"}], "schedule", "callbacks"),
                      CUTS | NO_RATES),
    "own callback cuts": (AFTER_CUT, fact(["OwnCallback"], "schedule", "not_compared"), CUTS),
    "callback stops": (AFTER_CUT, fact([{"class": "EarlyStopping"}], "schedule", "callbacks"),
                       CUT_LEFT_OUT | NO_RATES),
    # One number fails at its level and nowhere else.
    **{
        f"changed {key}": (moved(key), None, fails(level, *items))
        for key, level, *items in (
            ("weights/dense2.bias", "structure", "dense2.bias (as carried over)"),
            ("forward/train/output", "forward", "output (train)"),
            ("loss/confident/value", "loss", "loss of confident outputs"),
            ("loss/confident/gradient", "loss", "its gradient"),
            ("loss/value", "loss", "loss"),
            ("forward/eval/output", "forward", "output (eval)"),
            ("gradient/dense1.bias", "gradient", "dense1.bias"),
            ("optimizer/2/weights/dense2.kernel", "optimizer", "dense2.kernel"),
            ("trajectory/2/dense1.kernel", "trajectory", "dense1.kernel"),
            ("trajectory/loss/2", "trajectory", "loss"),
        )
    },
    # What the port makes of Keras's values fails nothing by itself.
    **{
        f"forced {key}": (moved(key, 1.0), None, differs(level, item))
        for key, level, item in (
            ("forced/gradient/dense1.bias", "gradient", "dense1.bias, with Keras's values"),
            ("forced/arrived/dropout", "gradient", "gradient that reaches dropout"),
            ("loss/own", "loss", "loss of Keras's outputs"),
        )
    },
    "gradient that goes on": (added(ARRIVED, 1.0, IS_OPEN), None,
                              differs("gradient", "gradient that reaches dense1.activation")),
    "gradient that is cut off": (added(ARRIVED, 1.0, ~IS_OPEN), None, {}),
    # A port may prepare its input itself: other data fails where outputs differ.
    "other data": (OTHER_DATA, None,
                   differs("data", "input of dense1") | differs("forward", *OTHER_INPUT)),
    "other data and outputs": (
        both(OTHER_DATA, moved("forward/eval/output")), None,
        fails("data", "input of dense1")
        | {"forward": {FAIL: ["output (eval)"], DIFFERS: OTHER_INPUT}}),
    # It fails whatever else is compared, and what differs before.
    "weight without gradient": (
        both(gone("gradient/dense1.kernel"), moved("forward/train/output", 1.0),
             without("optimizer")), None,
        fails("forward", "output (train)") | fails("gradient", "dense1.kernel") | NO_OPTIMIZER),
    # A gradient that is hardly more than rounding is left out, unless it differs by more.
    "gradient of rounding": (
        moved("gradient/dense1.bias", 0.01), noisy_bias(0.03),
        left_out("gradient", "gradient of dense1.bias", may_change("1e-06"))),
    "gradient beyond rounding": (moved("gradient/dense1.bias", 0.05), noisy_bias(0.03),
                                 fails("gradient", "dense1.bias")),
    "gradient within its rounding": (moved("gradient/dense1.bias", 4e-7), noisy_bias(6e-7, 1e3),
                                     {}),
    "gradient above its rounding": (moved("gradient/dense1.bias", 8e-7), noisy_bias(6e-7, 1e3),
                                    fails("gradient", "dense1.bias")),
    # So are weights that follow rounding in training.
    "weight of little rounding": (None, noisy_step(1e-3), {}),
    "weight of rounding": (moved("trajectory/2/dense1.bias", 0.005), noisy_step(0.01),
                           IN_TRAINING),
    "weight beyond rounding": (moved("trajectory/2/dense1.bias", 0.02), noisy_step(0.01),
                               fails("trajectory", "dense1.bias")),
    "schedule": (None, scheduled, {}),
    "rule": (None, RULED, {}),
    **{
        f"{name} is off": (added(f"schedule/{key}", 1, at), RULED, fails("schedule", name))
        for key, at, name in (
            ("decisions", (0, 0), f"epoch at which training stops ({SEQUENCES[0]})"),
            ("decisions", (2, 0), f"epoch at which training stops ({SEQUENCES[2]})"),
            ("decisions", (2, 1), f"epoch whose weights are kept ({SEQUENCES[2]})"),
            ("rule_rates", (0, 3), f"learning_rate ({SEQUENCES[0]})"),
            ("rule_rates", (4, 11), f"learning_rate ({SEQUENCES[4]})"),
        )
    },
    # Keras rounds a rate to float32 once, and at each change.
    **{
        f"rates of {row} within rounding": (rounded_rates(row, 0.9), RULED, {})
        for row in (0, 1)
    },
    **{
        f"rates of {row} beyond rounding": (
            rounded_rates(row, 1.1), RULED, fails("schedule", f"learning_rate ({SEQUENCES[row]})"))
        for row in (0, 1)
    },
    # A port may have the rates of the formula or those of compiled steps.
    "rates of the formula": (None, LATE_STAIR, {}),
    "compiled rates": (LATE, LATE_STAIR, {}),
    "neither of them": (both(LATE, scaled("schedule/steps", 2, 31)), LATE_STAIR,
                        fails("schedule", "learning_rate")),
    "a late stair": (LATE, scheduled, fails("schedule", "learning_rate")),
    # A weight that the port lacks, or holds otherwise, leaves the others to be compared.
    "lacking weight": (
        both(gone("trajectory/1/dense1.kernel"), moved("trajectory/1/dense2.bias")), None,
        fails("trajectory", "dense2.bias")),
    "penalties without a loss": (without("loss"), PENALTIES, NO_LOSS | {"trajectory": BY_PENALTY}),
    "penalties": (None, PENALTIES, {}),
    # A rate may have the rounding of float32, and that of a schedule in it.
    "rounded rates": (scaled("optimizer/learning_rate", 1 + 1e-7), None, {}),
    "other rates": (scaled("optimizer/learning_rate", 1 + 2e-7), None,
                    fails("optimizer", *["learning_rate"] * 12)),
    "rounded small rate": (small_rate(4), SMALL_RATE, NO_RATES),
    "other small rate": (small_rate(6), SMALL_RATE, fails("optimizer", "learning_rate") | NO_RATES),
    # Steps after which Keras diverges, too.
    "diverging": (DIVERGING_TOO, DIVERGING, {"trajectory": FROM_STEP_2}),
    "wrong before": (moved("trajectory/1/dense1.bias", 0.01), DIVERGING,
                     {"trajectory": {FAIL: ["dense1.bias"], **FROM_STEP_2}}),
    # Levels that cannot be compared have their reasons.
    "no loss in Keras": (None, fact(None, "loss"), NO_SINGLE_LOSS | {"trajectory": NOT_COMPILED}),
    "no optimizer in Keras": (
        None, fact(None, "optimizer"),
        {"optimizer": "the Keras model has no optimizer", "trajectory": NOT_COMPILED}),
    "no loss": (without("loss"), None, NO_LOSS),
    "unknown loss": (fact("give the port a loss", "no_loss"), None,
                     dict.fromkeys(("gradient", "trajectory"), "give the port a loss")),
    "no optimizer": (without("optimizer"), scheduled,
                     NO_OPTIMIZER | {"schedule": "the port gives no optimizer"}),
}  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "expected"), CASES.values(), ids=CASES)
def test_what_is_told_of_the_levels(compared_probe, port, keras, expected):
    assert told(compared_probe(port, keras)) == expected


def test_a_weight_that_the_port_holds_otherwise_leaves_the_others_to_be_compared(compared_probe):
    found = told(compared_probe(OTHER_FORM))["trajectory"]
    assert found == {FAIL: ["dense2.bias"], LEFT_OUT: {"dense1.kernel in training": IN_OTHER_FORM}}


STOP = "epoch at which training stops"
# The level that fails, and its first failure.
FIRST = {
    "gradient": (
        gone("gradient/dense1.kernel"), None, "gradient",
        {"name": "dense1.kernel", "keras": "a gradient", "torch": "no gradient"}),
    "step": (scaled("schedule/steps", 1 + 1e-6, 29), scheduled, "schedule",
             {"name": "learning_rate", "step": 29, "epoch": None}),
    "epoch": (scaled("schedule/epochs", 1 + 1e-6, 3), scheduled, "schedule",
              {"name": "learning_rate", "step": None, "epoch": 3}),
    "stop": (added("schedule/stopped", 1), scheduled, "schedule",
             {"name": STOP, "step": None, "epoch": None, "keras": "12", "torch": "13"}),
    "stair": (both(LATE, scaled("schedule/steps", 2, 31)), LATE_STAIR, "schedule", {"step": 31}),
    **{
        f"{stage} raises": (
            fact({stage: "KeyError: 'x' (net.py:7)"}, "raised"), scheduled, stage.split("/")[0],
            {"name": f"{stage} raises", "keras": "nothing", "torch": "KeyError: 'x' (net.py:7)"})
        for stage in ("forward/eval", "forward/train", "loss", "gradient", "optimizer",
                      "trajectory", "schedule")
    },
}  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "level", "expected"), FIRST.values(), ids=FIRST)
def test_the_first_failure_names_its_place_and_values(compared_probe, port, keras, level, expected):
    levels = compared_probe(port, keras)
    first = levels[level].first_failure
    assert {name: getattr(first, name) for name in expected} == expected
    assert told(levels) == fails(level, first.name)


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


# Rates of steps as exact numbers give them, a millionth further, and one of 0.
EXACT = both(
    scheduled,
    put({"schedule/exact": RATES * (1 + 1e-6)}),
    set_to("schedule/steps", 0.0, 5),
    set_to("schedule/exact", 1e-8, 5),
)
OF_EPOCHS = {f"epoch {number}": 1.2e-7 for number in range(12)}


def of_steps(allowed):
    return dict(zip(SCHEDULE_STEPS, allowed, strict=True))


def losses(*values):
    return put({"trajectory/losses": values})


# What the port and Keras have otherwise, and what is allowed of an item of a level.
ALLOWED = {
    # What Keras rounds in a rate is allowed the port twice, up to four units in the last place of
    # 0.1, which is less than a millionth of it.
    "rounding of Keras": (
        None, EXACT, "schedule", "learning_rate",
        of_steps(1.2e-7 + 2 * np.minimum(1e-6, 4 / 2**23 * 0.1 / RATES)) | OF_EPOCHS
        | {5: 1.2e-7 + 2e-8}),
    # So may code of the user's own.
    "code of the user's": (
        None, both(scheduled, fact(False, "schedule", "exact_known")), "schedule", "learning_rate",
        of_steps(1.2e-7 + 8 / 2**23 * 0.1 / RATES) | OF_EPOCHS),
    "as far as both halves made it": (
        both(put({"schedule/steps": RATES[:9]}), gone("schedule/epochs", "schedule/stopped")),
        scheduled, "schedule", "learning_rate", dict.fromkeys(range(9), 1.2e-7)),
    # A loss that has fallen is as uncertain as the largest, of which the second is a hundredth.
    "loss that falls": (None, losses(1.0, 0.01, 1.0), "trajectory", "loss",
                        {1: 1e-12, 2: 1e-10, 3: 1e-12}),
    "loss of 0": (None, losses(4.0, 0.0, 4.0), "trajectory", "loss",
                  {1: 1e-12, 2: 4e-12, 3: 1e-12}),
    "losses below 1": (None, losses(0.5, 0.0, 0.25), "trajectory", "loss",
                       {1: 1e-12, 2: 1e-12, 3: 2e-12}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("port", "keras", "level", "name", "allowed"), ALLOWED.values(), ids=ALLOWED
)
def test_what_is_allowed_of_each_step_and_epoch(compared_probe, port, keras, level, name, allowed):
    found = compared_probe(port, keras, levels=(level,))[level]
    assert found.status == PASS
    assert {
        item.step if item.epoch is None else f"epoch {item.epoch}": item.allowed
        for item in found.items
        if item.name == name
    } == pytest.approx(allowed, rel=1e-6)


def test_the_rates_of_a_schedule_are_compared_at_steps_to_a_thousand():
    assert [SCHEDULE_STEPS[number] for number in (0, 127, 128, -1)] == [0, 127, 200, 1001]


@pytest.mark.parametrize(
    ("kind", "callbacks", "applies"),
    [
        (None, [], False),
        (None, [{"class": "EarlyStopping"}], True),
        ("CosineDecay", [], True),
    ],
)
def test_a_schedule_or_a_callback_is_something_to_compare(compared_probe, kind, callbacks, applies):
    reference = both(scheduled, fact({"kind": kind, "callbacks": callbacks}, "schedule"))
    level = compared_probe(None, reference, levels=("schedule",))["schedule"]
    assert (level.status, level.applies) == (PASS if applies else SKIPPED, applies)
    assert "not compared" not in level.tolerance_source


@pytest.mark.parametrize(("stopped", "text"), [(11, "12"), (0, "1"), (-1, "never")])
def test_the_epoch_at_which_training_stops_is_counted_from_1(compared_probe, stopped, text):
    reference = both(scheduled, put({"schedule/stopped": stopped}))
    item = compared_probe(None, reference)["schedule"].items[-1]
    assert (item.name, item.keras, item.torch) == (STOP, text, text)


@pytest.mark.parametrize(
    ("port", "keras", "level", "text"),
    [
        (None, scheduled, "schedule", "; not compared: TensorBoard"),
        (fact("fed with channels first", "fed"), None, "data",
         "as it reaches the first layer (fed with channels first);"),
    ],
)  # fmt: skip
def test_a_level_says_what_it_leaves_out_and_how_the_port_is_fed(
    compared_probe, port, keras, level, text
):
    assert text in compared_probe(port, keras)[level].tolerance_source


def test_a_bundle_that_lacks_what_the_port_has_is_an_input_error(compared_probe):
    key = "optimizer/7/weights/dense1.bias"
    with pytest.raises(InputError, match=f"it has no array '{key}"):
        compared_probe(put({key: np.zeros(4)}), gone(key))
