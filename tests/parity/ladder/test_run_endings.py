"""The end of a run: early stopping may end the halves at different epochs."""

import numpy as np
import pytest
from ladder_runs import failing, levels_of, moved, other_rates
from traces import HISTORY_KEYS, STEPS_PER_EPOCH, whole_parts

from parity.errors import RunError
from parity.ladder.engine import compare_level
from parity.ladder.items import FAIL, PASS
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.table import OF_RUN
from parity.programs.run_spec import EarlyStopping

STOPPING = EarlyStopping(patience=1)
PLANNED = 4


def ended(epochs, change=None, *, early_stopping=STOPPING):
    """A run of four planned epochs whose losses end it after so many of them."""
    parts = whole_parts(epochs=PLANNED, early_stopping=early_stopping)
    # Training goes on as long as the loss falls.
    losses = [1.0 - 0.1 * epoch for epoch in range(epochs)]
    if 0 < epochs < PLANNED:
        losses[-1] = 2.0
    parts.history["val_loss"][:epochs] = losses
    if change is not None:
        change(parts)
    for column in parts.history.values():
        del column[epochs:]
    last = STEPS_PER_EPOCH * epochs
    parts.arrays["running_loss"] = parts.arrays["running_loss"][:last]
    for key in [key for key in parts.arrays if key.startswith("trajectory/")]:
        if int(key.split("/")[1]) > last:
            del parts.arrays[key]
    return parts


@pytest.fixture
def compared_ended(tmp_path):
    """Compares two runs, Keras's first."""

    def run(keras, torch):
        return levels_of(keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch"))

    return run


UNEQUAL = pytest.mark.parametrize("lengths", [(4, 2), (2, 4), (3, 2), (2, 3)], ids=str)


@pytest.mark.parametrize("epochs", [2, 3, 4])
def test_halves_that_end_at_the_same_epoch_pass(compared_ended, epochs):
    levels = compared_ended(ended(epochs), ended(epochs))
    assert [level.status for level in levels] == [PASS] * 11
    trajectory, schedule = (levels[LEVEL_IDS.index(name)] for name in ("trajectory", "schedule"))
    assert max(item.epoch for item in trajectory.items) == epochs - 1
    assert "not compared from" not in trajectory.tolerance_source
    names = [(item.name, item.epoch) for item in schedule.items]
    assert names[: epochs + 3] == [
        *(("learning_rate", epoch) for epoch in range(epochs)),
        ("epochs", None),
        *((f"{name} (restored)", None) for name in ("conv1.kernel", "dense1.bias")),
    ]


def test_a_port_that_does_not_bring_back_the_best_weights_fails(compared_ended):
    torch = ended(4)
    torch.arrays["restored/conv1.kernel"][0, 1] += 1
    found = failing(compared_ended(ended(4), torch))
    first = found.first_failure
    assert (found.id, first.name, first.index) == ("schedule", "conv1.kernel (restored)", (0, 1))
    assert first.step == STEPS_PER_EPOCH * 4


@pytest.mark.parametrize(("by", "status"), [(1.8e-12, PASS), (2.2e-12, FAIL)])
def test_weights_that_are_brought_back_may_be_rounded(tmp_path, by, status):
    """By 1e-12 of the largest, 2; each half brings back its own to the bit."""
    keras, torch = ended(4), ended(4)
    for key in ("restored/conv1.kernel", "trajectory/8/conv1.kernel"):
        torch.arrays[key][0, 1] += by
    traces = keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")
    found = compare_level("schedule", OF_RUN, *traces)
    assert found.status == status
    assert found.worst.name == "conv1.kernel (restored)"


def as_alike(parts):
    """Losses of both halves agree as far as both trained; one of them does not end by its rule."""
    parts.history["val_loss"] = [1.0 - 0.1 * epoch for epoch in range(PLANNED)]


@UNEQUAL
def test_halves_that_end_at_different_epochs_fail_at_the_schedule(compared_ended, lengths):
    levels = compared_ended(*(ended(length, as_alike) for length in lengths))
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name, (first.keras, first.torch)) == ("schedule", "epochs", lengths)
    trajectory = levels[LEVEL_IDS.index("trajectory")]
    assert trajectory.status == PASS
    assert f"not compared from epoch {min(lengths) + 1} on, where" in trajectory.tolerance_source


@UNEQUAL
def test_without_early_stopping_no_tolerance_allows_another_number_of_epochs(
    compared_ended, lengths
):
    halves = [ended(length, early_stopping=None) for length in lengths]
    found = failing(compared_ended(*halves))
    first = found.first_failure
    assert (found.id, first.name, (first.keras, first.torch)) == ("trajectory", "epochs", lengths)


def everything_after(step):
    """Another training from the epoch on that begins after a step."""

    def change(parts):
        for key in [key for key in parts.arrays if key.startswith("trajectory/")]:
            if int(key.split("/")[1]) > step:
                parts.arrays[key] = parts.arrays[key] + 1
        parts.arrays["running_loss"][step:] += 1
        for key in HISTORY_KEYS[:-1]:
            for epoch in range(step // STEPS_PER_EPOCH, 3):
                parts.history[key][epoch] += 1

    return change


@pytest.mark.parametrize("is_torch_longer", [True, False], ids=["torch longer", "keras longer"])
def test_what_only_the_longer_half_trained_is_not_compared(compared_ended, is_torch_longer):
    def longer(parts):
        as_alike(parts)
        everything_after(4)(parts)

    halves = [ended(2, as_alike), ended(3, longer)]
    levels = compared_ended(*(halves if is_torch_longer else halves[::-1]))
    trajectory = levels[LEVEL_IDS.index("trajectory")]
    assert trajectory.status == PASS
    assert max(item.step for item in trajectory.items) == 4
    assert max(item.epoch for item in trajectory.items) == 1
    assert levels[LEVEL_IDS.index("schedule")].first_failure.name == "epochs"


@pytest.mark.parametrize(
    ("key", "index", "named"),
    [
        ("trajectory/4/dense1.bias", (1,), ("dense1.bias", 4)),
        ("running_loss", (3,), ("running loss", 4)),
    ],
)
@UNEQUAL
def test_a_difference_in_the_epochs_of_both_belongs_to_the_trajectory(
    compared_ended, lengths, key, index, named
):
    def change(parts):
        as_alike(parts)
        moved(key, index, 1.0)(parts)

    found = failing(compared_ended(ended(lengths[0], as_alike), ended(lengths[1], change)))
    assert found.id == "trajectory"
    assert (found.first_failure.name, found.first_failure.step) == named


def test_of_other_rates_and_another_end_what_comes_first_is_named(compared_ended):
    def change(parts):
        as_alike(parts)
        other_rates(1, worse=False)(parts)

    found = failing(compared_ended(ended(3, as_alike), ended(2, change)))
    first = found.first_failure
    assert (found.id, first.name, first.epoch) == ("schedule", "learning_rate", 1)
    names = [item.name for item in found.items if item.status == FAIL]
    assert names[:2] == ["learning_rate", "epochs"]


@pytest.mark.parametrize("count", [0, 3, 5])
def test_steps_that_do_not_fit_the_epochs_fail_also_where_training_may_end_early(
    compared_ended, count
):
    torch = ended(2)
    torch.arrays["running_loss"] = np.ones(count)
    found = failing(compared_ended(ended(3), torch))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", "running loss")
    assert (first.keras, first.torch) == ("float64 (6,)", f"float64 ({count},)")
    assert first.allowed == 0


@pytest.mark.parametrize("lengths", [(3, 2), (2, 3), (2, 2)], ids=str)
def test_as_many_steps_in_both_halves_that_do_not_fit_the_epochs_are_told(compared_ended, lengths):
    halves = [ended(length) for length in lengths]
    for half in halves:
        half.arrays["running_loss"] = whole_parts().arrays["running_loss"]  # of three epochs
    unfit = "keras" if lengths[0] == 2 else "torch"
    with pytest.raises(RunError, match=rf"/{unfit}: the number of running losses does not match"):
        compared_ended(*halves)


def test_a_half_that_ends_before_its_first_epoch_does_not_pass(compared_ended):
    for lengths in ((3, 0), (0, 3), (0, 0)):
        assert FAIL in [level.status for level in compared_ended(*map(ended, lengths))]
