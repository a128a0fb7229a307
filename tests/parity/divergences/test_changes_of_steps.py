"""What a whole training does otherwise from a step on is told by its numbers."""

import numpy as np
import pytest

from parity.divergences.divergence import NUMBERS, PLACE
from parity.divergences.whole_training import TrainingEvidence, of_training
from parity.ladder.anchored_tolerance import RATE
from parity.ladder.items import Item

STEP = 6  # of the recorded state; the steps are 7 and 8
MOVED = {"dense.kernel": np.array([1.0, -2.0, 4.0]), "dense.bias": np.array([0.5])}


class Trace(dict):
    def __init__(self, arrays, **facts):
        super().__init__(arrays)
        self.facts = {"epoch_ends": [4, 8, 12], "anchors": [STEP], **facts}

    def below(self, prefix):
        return [key.removeprefix(f"{prefix}/") for key in self if key.startswith(f"{prefix}/")]

    def numbers(self, prefix):
        return sorted({int(rest.split("/")[0]) for rest in self.below(prefix)})


def moved(kind="moved", times=1.0, **facts):
    """How far the weights have moved behind the second step."""
    return Trace(
        {f"anchored/{STEP}/{kind}/2/{n}": times * each for n, each in MOVED.items()}, **facts
    )


HALVED = {"id": "E3", "text": "the gradients are 0.5 times Keras's"}
TOLD = f"in step 8, {HALVED['text']}"
AGAIN = "up to step 7 all that was compared agrees"


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (
            moved("expected", explained_steps={"8": HALVED}),
            ("E3", NUMBERS, f"in step 8, {HALVED['text']}"),
        ),
        # The step that was changed is not Keras's.
        (moved("expected", 0.9, explained_steps={"8": HALVED}), ("I4", PLACE, AGAIN)),
        (moved("expected", explained_steps={"7": HALVED}), ("I4", PLACE, AGAIN)),
        (moved("expected"), ("I4", PLACE, AGAIN)),
    ],
    ids=["explained", "other_gradients", "another_step", "unexplained"],
)
def test_a_step_is_named_by_the_change_of_keras_that_gives_it(ours, told):
    item = Item("dense.bias", 1.0, 1e-9, "rel", 1, step=8)
    ((found, match),) = of_training(TrainingEvidence(moved(), ours, item, (item,)))
    assert (found, match.confidence, match.detail) == told


def test_what_changes_between_two_steps_is_told_by_what_it_becomes():
    ours = Trace({}, changed_between="momentum (zero or gone)")
    item = Item("weights and slots changed between two steps", 1.0, 0.0, "", 1, step=4)
    ((found, match),) = of_training(TrainingEvidence(Trace({}), ours, item, (item,)))[:1]
    told = "between the steps 4 and 5, these change: momentum (zero or gone)"
    assert (found, match.confidence, match.detail) == ("I4", NUMBERS, told)


STAIRS, SLOPE = np.repeat([0.4, 0.2, 0.1], 4), np.linspace(0.4, 0.29, 12)
BEFORE, MISSED = np.repeat([0.4, 0.4, 0.2], 4), np.repeat([0.4, 0.2, 0.2], 4)
LATE, EARLY = np.r_[SLOPE[:5], SLOPE[4:-1]], np.r_[SLOPE[1:], 0.28]
EARLIER, TENTH = np.r_[SLOPE[:3], SLOPE[5:], 0.2, 0.2], np.r_[SLOPE[:6], SLOPE[6:] / 10]
ONE, SOME = np.r_[SLOPE[:6], 3 * SLOPE[6], SLOPE[7:]], np.r_[SLOPE[:6], SLOPE[6:8] / 2, SLOPE[8:]]
RATES = {
    "epoch_later": (STAIRS, BEFORE, "G1", "one epoch later"),
    "never_again": (STAIRS, MISSED, "G13", "stays 0.2, where Keras's becomes 0.1"),
    "step_later": (
        SLOPE,
        LATE,
        "G9",
        "from step 6 on, the port's rates are Keras's, one step later",
    ),
    "step_earlier": (SLOPE, EARLY, "G9", "one step earlier"),
    "two_steps_earlier": (SLOPE, EARLIER, "G9", "two steps earlier"),
    "factor": (SLOPE, TENTH, "G13", "from step 7 on, the port's rate is 0.1 times Keras's"),
    "one_step": (SLOPE, ONE, "G13", "in step 7 alone, the port's rate is 3 times Keras's"),
    "some_steps": (SLOPE, SOME, "G13", "in steps 7 to 8, the port's rate is 0.5 times Keras's"),
}


@pytest.mark.parametrize(("theirs", "ours", "identity", "text"), RATES.values(), ids=RATES)
def test_rates_are_named_by_the_change_that_gives_all_of_them(theirs, ours, identity, text):
    item = Item(RATE, 1.0, 1e-9, "rel", 1, step=1)
    traces = (Trace({"training/rates": each}) for each in (theirs, ours))
    found, match = of_training(TrainingEvidence(*traces, item, (item,)))[0]
    assert (found, match.confidence) == (identity, NUMBERS)
    assert text in match.detail


def test_rates_of_no_such_change_have_no_name():
    ours = SLOPE * np.random.default_rng(2).uniform(0.5, 2.0, 12)
    item = Item(RATE, 1.0, 1e-9, "rel", 1, step=1)
    traces = (Trace({"training/rates": each}) for each in (SLOPE, ours))
    ((found, match),) = of_training(TrainingEvidence(*traces, item, (item,)))
    assert (found, match.confidence) == ("G13", PLACE)


@pytest.mark.parametrize(("loss", "ids"), [(1.0, ["I1"]), (1.5, [])])
def test_a_metric_alone_has_another_definition_only_if_the_loss_beside_it_agrees(loss, ids):
    """Of each kind of number, the level lists the worst alone."""

    def trace(loss, accuracy):
        key = f"anchored/{STEP}/validation"
        return Trace({f"{key}/loss": np.array(loss), f"{key}/accuracy": np.array(accuracy)})

    item = Item("val_accuracy", 1.0, 1e-9, "rel", 1, step=STEP)
    evidence = TrainingEvidence(trace(1.0, 0.5), trace(loss, 0.25), item, (item,))
    assert [found for found, _ in of_training(evidence)] == ids
