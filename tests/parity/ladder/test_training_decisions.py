"""Two right trainings in float32 that decide otherwise: told with the margin, and no fault."""

import numpy as np
import pytest
from ladder_runs import AGREE, levels_of, statuses
from traces import BIAS, KERNEL, STEPS_PER_EPOCH, ended

from parity.files.json_io import write_json
from parity.ladder.comparers.decisions import decisions
from parity.ladder.items import FAIL, PASS
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace

# Of four epochs of two steps. The second epoch improves on 0.5 by 0.0001 in Keras, and by no more
# than min_delta in torch, so that torch cuts its rate an epoch earlier.
WATCHED = {"monitor": "val_loss", "is_max": False, "min_delta": 1e-4, "start": 0}
KERAS, TORCH = [0.5, 0.4998, 0.6, 0.6], [0.5, 0.49995, 0.6, 0.6]
CUT_LATE, CUT_EARLY = [1.0, 1.0, 1.0, 0.1], [1.0, 1.0, 0.1, 0.1]


@pytest.fixture
def halves(tmp_path):
    """The traces of both halves, with rates and losses of epochs."""

    def written(name, rates, losses, **facts):
        writer = CheckWriter()
        by_step = np.repeat(rates, 2)
        writer.put("training/rates", by_step)
        ends = [2 * (n + 1) for n in range(len(rates))]
        writer.facts |= {"epoch_ends": ends, "has_schedule": False, **facts}
        for half in ("keras", "torch"):
            # What the port's rule says of either history; both halves did as it says.
            own = CUT_LATE if half == "keras" else CUT_EARLY
            writer.put(f"rules/{half}/rates", np.repeat(own[: len(rates)], 2))
            writer.put(f"rules/{half}/epochs", np.array(4))
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        write_json(folder.spec, {})
        history = {"val_loss": losses, "val_accuracy": [1 - loss for loss in losses]}
        writer.write(folder.path, environment={}, result=RunResult(history, {}, 0.0))
        return Trace(folder.path)

    def make(watched=WATCHED, ours=(CUT_EARLY, TORCH)):
        keras = written("keras", CUT_LATE, KERAS, watched=[watched])
        return keras, written("torch", *ours)

    return make


def test_halves_that_decide_otherwise_are_told_with_the_margin_and_pass(halves):
    outcome = decisions(*halves())
    assert outcome.status == PASS
    told = "from epoch 3 on the halves decide otherwise: the val_loss of the halves differ by up to"
    assert f"{told} 0.00015" in outcome.tolerance_source
    assert outcome.tolerance_source.endswith("decided on an improvement by 0.0001 in epoch 2")


def test_a_rule_that_watches_a_maximum_has_the_same_margin(halves):
    watched = {**WATCHED, "monitor": "val_accuracy", "is_max": True}
    assert decisions(*halves(watched)).tolerance_source.endswith("improvement by 0.0001 in epoch 2")


def test_halves_that_decide_alike_are_not_told(halves):
    keras, _ = halves()
    outcome = decisions(keras, keras)
    assert "otherwise" not in outcome.tolerance_source


def test_a_half_that_did_not_do_what_its_rule_says_fails_all_the_same(halves):
    outcome = decisions(*halves(ours=(CUT_LATE, TORCH)))
    assert outcome.status == FAIL
    failed = [item.name for item in outcome.items if item.status == FAIL]
    assert failed == ["learning rates of torch by its rules"]


def test_rates_that_differ_from_the_start_were_not_decided(halves):
    outcome = decisions(*halves(ours=([0.5, 0.5, 0.1, 0.1], TORCH)))
    assert outcome.status == FAIL
    assert "otherwise" not in outcome.tolerance_source


def test_a_column_that_is_not_in_both_histories_has_no_margin(halves):
    outcome = decisions(*halves({**WATCHED, "monitor": "val_auc"}))
    assert outcome.status == PASS
    assert "otherwise" not in outcome.tolerance_source


# What the rules of the port say of Keras's history, and what each half did, with weights; of
# trainings of three epochs of two steps.
ENDS_WITH = "that the training ends with"


def failed(outcome):
    return [(item.name, item.epoch, item.step) for item in outcome.items if item.status == FAIL]


def test_halves_that_did_what_the_rules_say_pass(anchored):
    traces = anchored()
    assert statuses(levels_of(*traces)) == AGREE
    outcome = decisions(*traces)
    assert [item.name for item in outcome.items] == [
        *("learning_rate", "epochs"),
        *(f"{name} {ENDS_WITH}" for name in (KERNEL, BIAS)),
        *("learning rates of torch by its rules", "epochs of torch by its rules"),
        *(f"{name} {ENDS_WITH} of torch by its rules" for name in (KERNEL, BIAS)),
    ]
    assert outcome.tolerance_source.endswith(
        "the port's rules, given Keras's history, and each half by its rules; rates within the "
        "rounding of float32"
    )


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (3, 1), (5, 2)])
def test_a_rate_that_the_ports_rules_do_not_make_of_keras_history_fails(anchored, step, epoch):
    """Also within an epoch, such as a schedule of steps."""

    def change(parts):
        parts.arrays["rules/keras/rates"][step:] *= 1.01

    outcome = decisions(*anchored(change))
    assert failed(outcome) == [("learning_rate", epoch, step + 1)]


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (3, 1), (5, 2)])
def test_a_port_whose_rates_are_not_those_of_its_rules_fails(anchored, step, epoch):
    def change(parts):
        parts.arrays["training/rates"][step:] *= 1.01

    outcome = decisions(*anchored(change))
    assert failed(outcome) == [("learning rates of torch by its rules", epoch, step + 1)]


@pytest.mark.parametrize(
    ("dtype", "units", "status"),
    [("float32", 8, PASS), ("float32", 12, FAIL), ("float64", 4, PASS), ("float64", 8, FAIL)],
)
def test_in_float32_a_rate_may_be_rounded_at_every_change(anchored, dtype, units, status):
    """Five of them, beside five units in the last place that any rate may differ by."""
    rates = 0.001 * 0.99 ** np.arange(6)

    def keras(parts):
        parts.arrays["training/rates"] = rates

    def torch(parts):
        ours = rates * (1 + units * 2.0**-23 * (np.arange(6) == 5))
        for key in ("training/rates", "rules/keras/rates", "rules/torch/rates"):
            parts.arrays[key] = ours

    assert decisions(*anchored(torch, keras, dtype=dtype)).status == status


def test_a_rate_that_was_cut_to_a_millionth_is_held_to_its_rule(anchored):
    def keras(parts):
        parts.facts["has_schedule"] = False
        rates = np.array([1e-3, 1e-3, 1e-3, 1e-3, 1e-9, 1e-9])
        for key in ("training/rates", "rules/keras/rates", "rules/torch/rates"):
            parts.arrays[key] = rates.copy()

    def torch(parts):
        keras(parts)
        parts.arrays["training/rates"][5] *= 1.01

    assert decisions(*anchored(keras, keras)).status == PASS
    outcome = decisions(*anchored(torch, keras))
    assert failed(outcome) == [("learning rates of torch by its rules", 2, 6)]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("rules/keras/epochs", "epochs"),
        ("rules/torch/epochs", "epochs of torch by its rules"),
    ],
)
def test_a_last_epoch_that_is_not_that_of_the_rules_fails(anchored, key, name):
    def change(parts):
        parts.arrays[key] = np.array(2)

    assert failed(decisions(*anchored(change))) == [(name, None, None)]


def stopped(parts, epochs=2):
    """The port stops by its own losses."""
    ended(parts, epochs)
    parts.arrays["rules/torch/epochs"] = np.array(epochs)
    for name in (KERNEL, BIAS):
        parts.arrays[f"rules/torch/ends/{name}"] = np.array(epochs)


def stopped_in_keras(parts):
    """Keras stops by its losses."""
    ended(parts, 2)


@pytest.mark.parametrize("epochs", [1, 2])
def test_halves_that_stop_at_different_epochs_by_their_losses_pass_and_are_told(anchored, epochs):
    def watched(parts):
        monitor = {"monitor": "val_loss", "is_max": False, "min_delta": 0.25, "start": 0}
        parts.facts["watched"] = [monitor]

    outcome = decisions(*anchored(lambda parts: stopped(parts, epochs), watched))
    assert outcome.status == PASS
    told = f"from epoch {epochs + 1} on the halves decide otherwise: the val_loss"
    assert told in outcome.tolerance_source


def test_a_port_that_goes_on_where_its_rules_stop_with_keras_losses_fails(anchored):
    def port(parts):
        parts.arrays["rules/keras/rates"] = parts.arrays["rules/keras/rates"][:4]

    outcome = decisions(*anchored(port, stopped_in_keras))
    assert failed(outcome) == [("epochs", None, None)]

    def right(parts):
        port(parts)
        parts.arrays["rules/keras/epochs"] = np.array(2)
        for name in (KERNEL, BIAS):
            parts.arrays[f"rules/keras/ends/{name}"] = np.array(2)

    assert decisions(*anchored(right, stopped_in_keras)).status == PASS


def best_of(epoch):
    """A training that ends with the weights of an epoch, as its rules say."""

    def change(parts):
        step = STEPS_PER_EPOCH * epoch
        for name in (KERNEL, BIAS):
            best = parts.arrays[f"training/weights/{step}/{name}"]
            parts.arrays[f"training/final/{name}"] = best.copy()
            for half in ("keras", "torch"):
                parts.arrays[f"rules/{half}/ends/{name}"] = np.array(epoch)

    return change


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_weights_that_both_halves_end_with_are_those_of_the_best_epoch(anchored, epoch):
    assert decisions(*anchored(best_of(epoch), best_of(epoch))).status == PASS


def test_weights_of_another_epoch_than_the_rules_say_fail_by_name(anchored):
    def wrong(parts):
        best_of(1)(parts)
        parts.arrays[f"training/final/{KERNEL}"] = parts.arrays[f"training/weights/6/{KERNEL}"]

    outcome = decisions(*anchored(wrong, best_of(1)))
    assert failed(outcome) == [(f"{KERNEL} {ENDS_WITH} of torch by its rules", None, 6)]
    (item,) = (item for item in outcome.items if item.status == FAIL)
    assert (item.keras, item.torch) == ("of epoch 3", "of epoch 1")


def test_rules_of_the_port_that_bring_back_other_weights_than_keras_fail(anchored):
    outcome = decisions(*anchored(best_of(3), best_of(2)))
    assert [name for name, _, _ in failed(outcome)] == [
        f"{name} {ENDS_WITH}" for name in (KERNEL, BIAS)
    ]


def test_weights_that_stay_belong_to_every_epoch_and_to_that_of_the_rules(anchored):
    def frozen(parts):
        first = parts.arrays[f"training/weights/0/{KERNEL}"]
        for key in [key for key in parts.arrays if key.startswith("training/")]:
            if key.endswith(KERNEL):
                parts.arrays[key] = first.copy()
        for half in ("keras", "torch"):
            parts.arrays[f"rules/{half}/ends/{KERNEL}"] = np.array(2)

    assert decisions(*anchored(frozen, frozen)).status == PASS


def test_averages_of_weights_are_those_of_no_epoch_and_are_not_compared(anchored):
    def averaged(parts):
        parts.arrays[f"training/final/{KERNEL}"] += 0.125

    outcome = decisions(*anchored(averaged, averaged))
    assert outcome.status == PASS
    assert [item.name for item in outcome.items if KERNEL in item.name] == []
