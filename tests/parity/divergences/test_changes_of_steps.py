"""What a step from a recorded state does otherwise is told by its numbers."""

import numpy as np
import pytest

from parity.divergences.divergence import NUMBERS, PLACE
from parity.divergences.whole_training import TrainingEvidence, of_training
from parity.ladder.items import Item

STEP = 6
MOVED = {"dense.kernel": np.array([1.0, -2.0, 4.0]), "dense.bias": np.array([0.5])}


class Trace(dict):
    @property
    def facts(self):
        return {"epoch_ends": [20], "anchors": [STEP]}

    def below(self, prefix):
        return [key.removeprefix(f"{prefix}/") for key in self if key.startswith(f"{prefix}/")]

    def numbers(self, prefix):
        return sorted({int(rest.split("/")[0]) for rest in self.below(prefix)})


def moved(**changed):
    """How far the weights move in the step; those that are named move otherwise."""
    rows = {**MOVED, **{f"dense.{name}": value for name, value in changed.items()}}
    return Trace({f"anchored/{STEP}/moved/1/{name}": value for name, value in rows.items()})


AGAIN = "up to step 5 all that was compared agrees"
HALF = {name.removeprefix("dense."): value / 2 for name, value in MOVED.items()}
STILL = {name.removeprefix("dense."): 0 * value for name, value in MOVED.items()}


@pytest.mark.parametrize(
    ("ours", "note", "confidence", "told"),
    [
        (moved(**HALF), "after one step", NUMBERS, "each weight moves 0.5 times as far"),
        (moved(**STILL), "after one step", NUMBERS, "no weight moves"),
        (moved(bias=STILL["bias"]), "after one step", NUMBERS, "dense.bias do not move"),
        (moved(bias=HALF["bias"]), "after one step", PLACE, None),
        (moved(), "after 3 steps", PLACE, "a later one of the three does not"),
    ],
)
def test_how_a_step_differs_is_told_if_numbers_show_it(ours, note, confidence, told):
    item = Item("dense.bias", 1.0, 1e-9, "rel", 1, step=STEP, note=note)
    ((found, match),) = of_training(TrainingEvidence(moved(), ours, item, (item,)))
    assert (found, match.confidence) == ("I4", confidence)
    assert match.detail.startswith(AGAIN)
    assert told in match.detail if told else match.detail == AGAIN


@pytest.mark.parametrize(("loss", "ids"), [(1.0, ["I1"]), (1.5, [])])
def test_a_metric_alone_has_another_definition_only_if_the_loss_beside_it_agrees(loss, ids):
    """Of each kind of number, the level lists the worst alone."""

    def trace(loss, accuracy):
        key = f"anchored/{STEP}/validation"
        return Trace({f"{key}/loss": np.array(loss), f"{key}/accuracy": np.array(accuracy)})

    item = Item("val_accuracy", 1.0, 1e-9, "rel", 1, step=STEP)
    evidence = TrainingEvidence(trace(1.0, 0.5), trace(loss, 0.25), item, (item,))
    assert [found for found, _ in of_training(evidence)] == ids
