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
    assert "otherwise" not in decisions(keras, keras).tolerance_source


@pytest.mark.parametrize(
    ("watched", "ours", "failing"),
    [
        # by a column that is not in both histories; not by what its rule says; from the start
        ({**WATCHED, "monitor": "val_auc"}, (CUT_EARLY, TORCH), []),
        (WATCHED, (CUT_LATE, TORCH), ["learning rates of torch by its rules"]),
        (WATCHED, ([0.5, 0.5, 0.1, 0.1], TORCH), ["learning rates of torch by its rules"]),
    ],
    ids=["no_column", "not_by_its_rule", "from_the_start"],
)
def test_what_was_not_decided_by_a_margin_is_not_told(halves, watched, ours, failing):
    outcome = decisions(*halves(watched, ours))
    assert "otherwise" not in outcome.tolerance_source
    assert [item.name for item in outcome.items if item.status == FAIL] == failing


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


def scaled(*keys, step, by=1.01):
    def change(parts):
        for key in keys:
            parts.arrays[key][step:] *= by

    return change


def put(**arrays):
    """Arrays of the rules; "__" in a name stands for "/"."""
    made = {f"rules/{name.replace('__', '/')}": np.array(value) for name, value in arrays.items()}
    return lambda parts: parts.arrays.update(made)


def both(*changes):
    return lambda parts: [change(parts) for change in changes]


def stopped(parts, epochs=2):
    """The port stops by its own losses."""
    ended(parts, epochs)
    parts.arrays["rules/torch/epochs"] = np.array(epochs)
    for name in (KERNEL, BIAS):
        parts.arrays[f"rules/torch/ends/{name}"] = np.array(epochs)


def stopped_in_keras(parts):
    """Keras stops by its losses."""
    ended(parts, 2)


def stopped_by_the_rules(parts):
    parts.arrays["rules/keras/rates"] = parts.arrays["rules/keras/rates"][:4]


def best_of(epoch):
    """A training that ends with the weights of an epoch, as its rules say."""

    def change(parts):
        for name in (KERNEL, BIAS):
            best = parts.arrays[f"training/weights/{STEPS_PER_EPOCH * epoch}/{name}"]
            parts.arrays[f"training/final/{name}"] = best.copy()
            both(*(put(**{f"{half}__ends__{name}": epoch}) for half in ("keras", "torch")))(parts)

    return change


def ending_otherwise(parts):
    """With weights of its last epoch, where its rules bring back those of the first."""
    best_of(1)(parts)
    parts.arrays[f"training/final/{KERNEL}"] = parts.arrays[f"training/weights/6/{KERNEL}"]


def frozen(parts):
    """A weight that stays belongs to every epoch."""
    first = parts.arrays[f"training/weights/0/{KERNEL}"]
    moving = [key for key in parts.arrays if key.startswith("training/") and key.endswith(KERNEL)]
    parts.arrays.update({key: first.copy() for key in moving})
    put(**{f"{half}__ends__{KERNEL}": 2 for half in ("keras", "torch")})(parts)


def cut_to_a_millionth(parts):
    parts.facts["has_schedule"] = False
    rates = np.array([1e-3, 1e-3, 1e-3, 1e-3, 1e-9, 1e-9])
    for key in ("training/rates", "rules/keras/rates", "rules/torch/rates"):
        parts.arrays[key] = rates.copy()


ENDS = {f"keras__ends__{name}": 2 for name in (KERNEL, BIAS)}
BY_ITS_RULES = "of torch by its rules"
# What is changed in the port, what in Keras, and what fails: (item, epoch, step).
FAILING = {
    # Also within an epoch, such as a schedule of steps.
    **{
        f"rates by the rules from step {step}": (
            scaled("rules/keras/rates", step=step), None, [("learning_rate", epoch, step + 1)])
        for step, epoch in ((0, 0), (3, 1), (5, 2))
    },
    **{
        f"rates of the port from step {step}": (
            scaled("training/rates", step=step), None,
            [(f"learning rates {BY_ITS_RULES}", epoch, step + 1)])
        for step, epoch in ((0, 0), (3, 1), (5, 2))
    },
    "a millionth": (cut_to_a_millionth, cut_to_a_millionth, []),
    "a hundredth of a millionth": (
        both(cut_to_a_millionth, scaled("training/rates", step=5)), cut_to_a_millionth,
        [(f"learning rates {BY_ITS_RULES}", 2, 6)]),
    "last epoch by the rules": (put(keras__epochs=2), None, [("epochs", None, None)]),
    "last epoch of the port": (put(torch__epochs=2), None,
                               [(f"epochs {BY_ITS_RULES}", None, None)]),
    "going on": (stopped_by_the_rules, stopped_in_keras, [("epochs", None, None)]),
    "stopping": (both(stopped_by_the_rules, put(keras__epochs=2, **ENDS)), stopped_in_keras, []),
    **{f"best epoch {epoch}": (best_of(epoch), best_of(epoch), []) for epoch in (1, 2, 3)},
    "other best epochs": (best_of(3), best_of(2),
                          [(f"{name} {ENDS_WITH}", None, 6) for name in (KERNEL, BIAS)]),
    "ends otherwise": (ending_otherwise, best_of(1),
                       [(f"{KERNEL} {ENDS_WITH} {BY_ITS_RULES}", None, 6)]),
    "frozen": (frozen, frozen, []),
}  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "failing"), FAILING.values(), ids=FAILING)
def test_what_is_not_as_the_rules_say_fails_by_name(anchored, port, keras, failing):
    outcome = decisions(*anchored(port, keras))
    assert failed(outcome) == failing
    assert outcome.status == (FAIL if failing else PASS)


def test_weights_of_another_epoch_are_told_with_both(anchored):
    outcome = decisions(*anchored(ending_otherwise, best_of(1)))
    (item,) = (item for item in outcome.items if item.status == FAIL)
    assert (item.keras, item.torch) == ("of epoch 3", "of epoch 1")


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


@pytest.mark.parametrize("epochs", [1, 2])
def test_halves_that_stop_at_different_epochs_by_their_losses_pass_and_are_told(anchored, epochs):
    def watched(parts):
        monitor = {"monitor": "val_loss", "is_max": False, "min_delta": 0.25, "start": 0}
        parts.facts["watched"] = [monitor]

    outcome = decisions(*anchored(lambda parts: stopped(parts, epochs), watched))
    assert outcome.status == PASS
    told = f"from epoch {epochs + 1} on the halves decide otherwise: the val_loss"
    assert told in outcome.tolerance_source


def test_averages_of_weights_are_those_of_no_epoch_and_are_not_compared(anchored):
    def averaged(parts):
        parts.arrays[f"training/final/{KERNEL}"] += 0.125

    outcome = decisions(*anchored(averaged, averaged))
    assert outcome.status == PASS
    assert [item.name for item in outcome.items if KERNEL in item.name] == []
