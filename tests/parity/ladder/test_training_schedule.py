"""The rates, the last epoch and the last weights of a whole training, step by step."""

import numpy as np
import pytest
from ladder_runs import AGREE, failing, other_rates, statuses
from trace_changes import added, both, fact
from traces import BIAS, KERNEL, STEPS_PER_EPOCH, ended, whole_parts

from parity.ladder.comparers.training import schedule
from parity.ladder.items import FAIL, PASS

PLANNED = 4
ENDS_WITH = "that the training ends with"


@pytest.fixture
def compared_ended(compared_with):
    """Compares trainings that ended after so many of four epochs."""
    return lambda *lengths: compared_with(
        *(lambda parts, n=n: ended(parts, n) for n in reversed(lengths)), epochs=PLANNED
    )


UNEQUAL = pytest.mark.parametrize("lengths", [(4, 2), (2, 4), (3, 2), (2, 3)], ids=str)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_halves_that_end_at_the_same_epoch_pass(compared_ended, epochs):
    levels = compared_ended(epochs, epochs)
    assert statuses(levels) == AGREE
    assert max(item.epoch for item in levels["trajectory"].items) == epochs - 1
    assert "not compared from" not in levels["trajectory"].tolerance_source
    names = [item.name for item in levels["schedule"].items]
    assert names == ["learning_rate", "epochs", *(f"{name} {ENDS_WITH}" for name in (KERNEL, BIAS))]


@UNEQUAL
def test_halves_that_end_at_different_epochs_fail_at_the_schedule(compared_ended, lengths):
    levels = compared_ended(*lengths)
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name, (first.keras, first.torch)) == ("schedule", "epochs", lengths)
    # What only one of them trained is not compared, nor what they end with.
    assert [item.name for item in found.items] == ["learning_rate", "epochs"]
    trajectory = levels["trajectory"]
    assert trajectory.status == PASS
    assert max(item.epoch for item in trajectory.items) == min(lengths) - 1
    assert max(item.step for item in trajectory.items) == STEPS_PER_EPOCH * min(lengths)


@pytest.mark.parametrize(("by", "status"), [(0.9e-12, PASS), (1.1e-12, FAIL)])
def test_the_weights_that_a_training_ends_with_may_be_rounded(compared_with, by, status):
    """A port that does not bring back the best weights ends with others."""
    key = f"training/final/{KERNEL}"
    by *= np.abs(whole_parts().arrays[key]).max()
    found = compared_with(added(key, by, (0, 1)))["schedule"]
    assert found.status == status
    worst = found.worst
    assert (worst.name, worst.index, worst.step) == (f"{KERNEL} {ENDS_WITH}", (0, 1), 6)


@pytest.mark.parametrize(("by", "status"), [(29e-9, PASS), (31e-9, FAIL)])
def test_the_weights_at_the_end_may_differ_by_what_rounding_makes_of_it(whole, by, status):
    key = f"training/final/{BIAS}"
    # Relative to the largest, 1 + 6/64.
    change = both(fact({key: 1e-9}, "spread"), added(key, by * (1 + 6 / 64), 0))
    assert schedule(*whole(change)).status == status


def test_weights_behind_another_rate_are_not_compared(compared_with):
    found = failing(compared_with(other_rates(2)))
    assert [item.name for item in found.items] == ["learning_rate", "epochs"]
