"""Two right trainings in float32 that decide otherwise: told with the margin, and no fault."""

from functools import partial

import numpy as np
import pytest
from ladder_runs import AGREE, failed, levels_of, statuses
from trace_changes import added, both, fact, put, scaled
from traces import BIAS, KERNEL, STEPS_PER_EPOCH, ended, weights_after, whole_parts

from parity.ladder.comparers.decisions import decisions
from parity.ladder.items import FAIL, PASS

# Of four epochs of two steps. The second epoch improves on 0.5 by 0.0001 in Keras, and by no more
# than min_delta in torch, so that torch cuts its rate an epoch earlier.
WATCHED = {"monitor": "val_loss", "is_max": False, "min_delta": 1e-4, "start": 0}
KERAS, TORCH = [0.5, 0.4998, 0.6, 0.6], [0.5, 0.49995, 0.6, 0.6]
CUT_LATE, CUT_EARLY = [1.0, 1.0, 1.0, 0.1], [1.0, 1.0, 0.1, 0.1]
BY_ITS_RULES = "of torch by its rules"
RATES_BY_RULES = f"learning rates {BY_ITS_RULES}"


def trained(rates, losses):
    """With rates and losses of epochs; the port's rule cuts early by the port's own history."""

    def change(parts):
        parts.history |= {"val_loss": losses, "val_accuracy": [1 - loss for loss in losses]}

    told = {"training/rates": rates, "rules/keras/rates": CUT_LATE, "rules/torch/rates": CUT_EARLY}
    by_step = put({key: np.repeat(each, STEPS_PER_EPOCH) for key, each in told.items()})
    return both(change, by_step, fact(False, "has_schedule"))


# What is watched, rates and losses of the port, whether the margin is told, and what fails.
MARGINS = {
    "minimum": (WATCHED, (CUT_EARLY, TORCH), True, []),
    "maximum": ({**WATCHED, "monitor": "val_accuracy", "is_max": True}, (CUT_EARLY, TORCH), True,
                []),
    "a column that is not in both histories": (
        {**WATCHED, "monitor": "val_auc"}, (CUT_EARLY, TORCH), False, []),
    "not by its rule": (WATCHED, (CUT_LATE, TORCH), False, [(RATES_BY_RULES, 2, 5)]),
    "from the start": (WATCHED, ([0.5, 0.5, 0.1, 0.1], TORCH), False, [(RATES_BY_RULES, 0, 1)]),
}  # fmt: skip


@pytest.mark.parametrize(("watched", "ours", "is_told", "fails"), MARGINS.values(), ids=MARGINS)
def test_halves_that_decide_otherwise_are_told_with_the_margin(
    anchored, watched, ours, is_told, fails
):
    keras = both(trained(CUT_LATE, KERAS), fact([watched], "watched"))
    outcome = decisions(*anchored(trained(*ours), keras, epochs=4))
    assert (failed(outcome), outcome.status) == (fails, FAIL if fails else PASS)
    told = (
        f"from epoch 3 on the halves decide otherwise: the {watched['monitor']} of the halves "
        "differ by up to 0.00015, and Keras decided on an improvement by 0.0001 in epoch 2"
    )
    assert outcome.tolerance_source.endswith(told) == is_told
    assert ("otherwise" in outcome.tolerance_source) == is_told


# Of a port whose loop sets the rates itself: its own are compared, and no rules.
BY_LOOP = fact(True, "loop_sets_rates")


@pytest.mark.parametrize(
    ("rates", "min_delta", "fails"),
    [
        (CUT_LATE, 0.0, []),
        (CUT_EARLY, 0.0, []),
        # Keras's improvement of 0.0002 is decided by 0.0005, and so not by rounding.
        (CUT_EARLY, -3e-4, [("learning_rate", 2, 5)]),
        ([0.5, 0.5, 0.1, 0.1], 0.0, [("learning_rate", 0, 1)]),
    ],
)
def test_a_loop_that_cuts_by_itself_may_decide_otherwise_if_it_was_close(
    anchored, rates, min_delta, fails
):
    keras = both(trained(CUT_LATE, KERAS), fact([{**WATCHED, "min_delta": min_delta}], "watched"))
    outcome = decisions(*anchored(both(trained(rates, TORCH), BY_LOOP), keras, epochs=4))
    assert (failed(outcome), outcome.status) == (fails, FAIL if fails else PASS)


# What the rules of the port say of Keras's history, and what each half did, with weights; of
# trainings of three epochs of two steps.
ENDS_WITH = "that the training ends with"


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


def ending(epoch, *halves, names=(KERNEL, BIAS)):
    """The rules say that a training ends with the weights of an epoch."""
    return put({f"rules/{half}/ends/{name}": epoch for half in halves for name in names})


def stopped(epochs):
    """The port stops by its own losses."""
    told = put({"rules/torch/epochs": epochs})
    return both(partial(ended, epochs=epochs), told, ending(epochs, "torch"))


def finals(step, *names):
    """A training ends with the weights that it had after a step."""
    return put({f"training/final/{name}": weights_after(step)[name] for name in names})


def best_of(epoch):
    """A training that ends with the weights of an epoch, as its rules say."""
    step = STEPS_PER_EPOCH * epoch
    return both(finals(step, KERNEL, BIAS), ending(epoch, "keras", "torch"))


STOPPED_IN_KERAS = partial(ended, epochs=2)
STOPPED_BY_THE_RULES = put({"rules/keras/rates": np.full(4, float(np.float32(1e-3)))})
# With weights of its last epoch, where its rules bring back those of the first.
ENDING_OTHERWISE = both(best_of(1), finals(6, KERNEL))
# A weight that stays belongs to every epoch.
OF_KERNEL = [k for k in whole_parts().arrays if k.startswith("training/") and k.endswith(KERNEL)]
FROZEN = both(
    put(dict.fromkeys(OF_KERNEL, weights_after(0)[KERNEL])),
    ending(2, "keras", "torch", names=[KERNEL]),
)
ALL_RATES = ("training/rates", "rules/keras/rates", "rules/torch/rates")
CUT_TO_A_MILLIONTH = both(
    fact(False, "has_schedule"), put(dict.fromkeys(ALL_RATES, [1e-3] * 4 + [1e-9] * 2))
)


# What is changed in the port, what in Keras, and what fails: (item, epoch, step).
FAILING = {
    # Also within an epoch, such as a schedule of steps.
    **{
        f"rates by the rules from step {step}": (
            scaled("rules/keras/rates", 1.01, slice(step, None)), None,
            [("learning_rate", epoch, step + 1)])
        for step, epoch in ((0, 0), (3, 1), (5, 2))
    },
    **{
        f"rates of the port from step {step}": (
            scaled("training/rates", 1.01, slice(step, None)), None,
            [(RATES_BY_RULES, epoch, step + 1)])
        for step, epoch in ((0, 0), (3, 1), (5, 2))
    },
    "a millionth": (CUT_TO_A_MILLIONTH, CUT_TO_A_MILLIONTH, []),
    "a hundredth of a millionth": (
        both(CUT_TO_A_MILLIONTH, scaled("training/rates", 1.01, slice(5, None))),
        CUT_TO_A_MILLIONTH, [(RATES_BY_RULES, 2, 6)]),
    "last epoch by the rules": (put({"rules/keras/epochs": 2}), None, [("epochs", None, None)]),
    "last epoch of the port": (put({"rules/torch/epochs": 2}), None,
                               [(f"epochs {BY_ITS_RULES}", None, None)]),
    "going on": (STOPPED_BY_THE_RULES, STOPPED_IN_KERAS, [("epochs", None, None)]),
    "stopping": (
        both(STOPPED_BY_THE_RULES, put({"rules/keras/epochs": 2}), ending(2, "keras")),
        STOPPED_IN_KERAS, []),
    **{f"best epoch {epoch}": (best_of(epoch), best_of(epoch), []) for epoch in (1, 2, 3)},
    "other best epochs": (best_of(3), best_of(2),
                          [(f"{name} {ENDS_WITH}", None, 6) for name in (KERNEL, BIAS)]),
    "ends otherwise": (ENDING_OTHERWISE, best_of(1),
                       [(f"{KERNEL} {ENDS_WITH} {BY_ITS_RULES}", None, 6)]),
    "frozen": (FROZEN, FROZEN, []),
}  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "failing"),
    [
        (best_of(1), best_of(1), []),
        (FROZEN, FROZEN, []),
        (best_of(2), best_of(1), [(f"{name} {ENDS_WITH}", None, 6) for name in (KERNEL, BIAS)]),
        (STOPPED_IN_KERAS, None, [("epochs", None, None)]),
    ],
)
def test_a_loop_that_restores_weights_itself_is_compared_by_their_epoch(
    anchored, ours, theirs, failing
):
    outcome = decisions(*anchored(both(ours, BY_LOOP), theirs))
    assert failed(outcome) == failing


@pytest.mark.parametrize(("port", "keras", "failing"), FAILING.values(), ids=FAILING)
def test_what_is_not_as_the_rules_say_fails_by_name(anchored, port, keras, failing):
    outcome = decisions(*anchored(port, keras))
    assert failed(outcome) == failing
    assert outcome.status == (FAIL if failing else PASS)


def test_weights_of_another_epoch_are_told_with_both(anchored):
    outcome = decisions(*anchored(ENDING_OTHERWISE, best_of(1)))
    (item,) = (item for item in outcome.items if item.status == FAIL)
    assert (item.keras, item.torch) == ("of epoch 3", "of epoch 1")


@pytest.mark.parametrize(
    ("dtype", "units", "status"),
    [("float32", 8, PASS), ("float32", 12, FAIL), ("float64", 4, PASS), ("float64", 8, FAIL)],
)
def test_in_float32_a_rate_may_be_rounded_at_every_change(anchored, dtype, units, status):
    """Five of them, beside five units in the last place that any rate may differ by."""
    rates = 0.001 * 0.99 ** np.arange(6)
    ours = rates * (1 + units * 2.0**-23 * (np.arange(6) == 5))
    changes = put(dict.fromkeys(ALL_RATES, ours)), put({"training/rates": rates})
    assert decisions(*anchored(*changes, dtype=dtype)).status == status


@pytest.mark.parametrize("epochs", [1, 2])
def test_halves_that_stop_at_different_epochs_by_their_losses_pass_and_are_told(anchored, epochs):
    monitor = {"monitor": "val_loss", "is_max": False, "min_delta": 0.25, "start": 0}
    outcome = decisions(*anchored(stopped(epochs), fact([monitor], "watched")))
    assert outcome.status == PASS
    told = f"from epoch {epochs + 1} on the halves decide otherwise: the val_loss"
    assert told in outcome.tolerance_source


def test_averages_of_weights_are_those_of_no_epoch_and_are_not_compared(anchored):
    averaged = added(f"training/final/{KERNEL}", 0.125)
    outcome = decisions(*anchored(averaged, averaged))
    assert outcome.status == PASS
    assert [item.name for item in outcome.items if KERNEL in item.name] == []
