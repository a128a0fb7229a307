"""The ladder on traces made by hand: the same run passes, and one wrong number is named."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from traces import HISTORY_KEYS, STEPS_PER_EPOCH, run_parts, whole_parts

from parity.envelope import Envelope
from parity.errors import RunError
from parity.ladder import LEVELS, climb
from parity.programs.run_spec import Augmentation, EarlyStopping
from parity.result import FAIL, NOT_REACHED, PASS, SKIPPED
from parity.tolerance import Float64Tolerance

IDS = [
    *("data", "structure", "init", "forward", "loss", "gradient", "optimizer"),
    *("trajectory", "schedule", "behaviour"),
]
NAN, INF = math.nan, math.inf


@dataclass(frozen=True)
class Noisy(Float64Tolerance):
    """What float32 may bring, without the runs from which it is measured."""

    weight: float = 1e-12
    accuracy: float = 0.0
    parts_from: int | None = None

    def weights(self, step):
        return self.weight * step

    def running_loss(self, steps):
        return self.weight * steps

    def history(self, key, epoch):
        return self.accuracy if key.endswith("accuracy") else self.weight

    def may_part(self, epoch):
        return self.parts_from is not None and epoch >= self.parts_from


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    return whole_parts().write(tmp_path_factory.mktemp("whole") / "keras")


@pytest.fixture
def climb_with(keras, tmp_path):
    """Climbs with the whole trace and a copy of it in which `change` was made."""

    def run(change=None, tolerance=None):
        parts = whole_parts()
        if change is not None:
            change(parts)
        return climb(keras, parts.write(tmp_path / "torch"), tolerance or Float64Tolerance())

    return run


def failing(levels):
    """The one level that fails; those before it pass and those after it are not reached."""
    assert [level.id for level in levels] == IDS
    statuses = [level.status for level in levels]
    place = statuses.index(FAIL)
    assert set(statuses[:place]) <= {PASS, SKIPPED}
    assert set(statuses[place + 1 :]) <= {NOT_REACHED}
    for level in levels[place + 1 :]:
        assert (level.items, level.origin) == ((), f"not compared: {levels[place].id} failed")
    return levels[place]


def test_the_levels_are_the_ten_of_the_contract():
    assert list(LEVELS) == IDS


def test_the_same_run_passes_every_level(climb_with):
    levels = climb_with()
    assert [(level.id, level.status) for level in levels] == [(name, PASS) for name in IDS]
    for level in levels:
        assert level.items
        assert all(item.num_compared for item in level.items)
        assert all(item.worst == 0 for item in level.items)
        assert level.origin


def moved(key, index, by):
    """Moves one element of an array; an exact value becomes another one."""

    def change(parts):
        array = parts.arrays[key]
        array[index] = not array[index] if array.dtype == bool else array[index] + by

    return change


# level, item, key of the trace, index, what is allowed, (epoch, step); 1e-12 of the largest value,
# for weights and losses of the trajectory at least of 1
CLOSE = [
    ("forward", "conv1 (eval)", "forward/eval/conv1", (1, 1), 4e-12, (None, None)),
    ("forward", "dropout1 (train)", "forward/train/dropout1", (0, 1), 4e-12, (None, None)),
    ("loss", "eval", "loss/eval", (), 2e-12, (None, None)),
    ("loss", "train", "loss/train", (), 2e-12, (None, None)),
    ("loss", "gradient", "loss/gradient", (), 2e-12, (None, None)),
    ("gradient", "conv1.kernel", "gradient/conv1.kernel", (1, 0), 2e-12, (None, None)),
    ("gradient", "dense1.bias", "gradient/dense1.bias", (0,), 1e-12, (None, None)),
    *[
        ("optimizer", f"conv1.kernel.{slot}", f"{prefix}/{slot}/conv1.kernel", (1, 1), 2e-12, place)
        for slot in ("momentum", "velocity")
        for prefix, place in (("optimizer/1", (None, 1)), ("optimizer/20", (None, 20)))
    ],
    ("optimizer", "conv1.kernel", "optimizer/1/weights/conv1.kernel", (1, 0), 2e-12, (None, 1)),
    ("optimizer", "conv1.kernel", "optimizer/20/weights/conv1.kernel", (1, 0), 2e-12, (None, 20)),
    *[
        ("trajectory", "dense1.bias", f"trajectory/{step}/dense1.bias", (0,), 1e-12, (epoch, step))
        for step, epoch in ((1, 0), (2, 0), (4, 1), (5, 2), (6, 2))
    ],
    ("trajectory", "running loss", "running_loss", (0,), 2e-12, (0, 1)),
    ("trajectory", "running loss", "running_loss", (3,), 1.4e-12, (1, 4)),
    ("trajectory", "running loss", "running_loss", (5,), 1e-12, (2, 6)),
]
close = pytest.mark.parametrize(
    ("level", "item", "key", "index", "allowed", "moment"), CLOSE, ids=[case[2] for case in CLOSE]
)


@close
def test_one_element_just_within_what_is_allowed_passes(
    climb_with, level, item, key, index, allowed, moment
):
    levels = climb_with(moved(key, index, 0.9 * allowed))
    assert [found.status for found in levels] == [PASS] * 10
    worst = next(found for found in levels if found.id == level).worst
    assert (worst.name, (worst.epoch, worst.step)) == (item, moment)
    assert 0.8 < worst.ratio < 1


@close
def test_one_element_just_above_what_is_allowed_is_named_with_place_and_values(
    climb_with, keras, level, item, key, index, allowed, moment
):
    found = failing(climb_with(moved(key, index, 1.1 * allowed)))
    assert found.id == level
    first = found.first_failure
    assert (first.name, (first.epoch, first.step)) == (item, moment)
    value = keras[key][index]
    assert (first.keras, first.torch) == (value, value + 1.1 * allowed)
    if key != "running_loss":  # whose place is the step
        assert first.index == (index or None)
    assert [other.name for other in found.items if other.status == FAIL] == [item]


EXACT = [
    ("data", "index", "feed/0/index", (2,), (0, None)),
    ("data", "labels", "feed/1/labels", (0,), (1, None)),
    ("data", "images", "feed/2/images", (1,), (2, None)),
    ("init", "conv1.kernel", "init/conv1.kernel", (1, 0), (None, 0)),
    ("init", "dense1.bias", "trajectory/0/dense1.bias", (2,), (None, 0)),
    ("forward", "dropout1.mask", "mask/dropout1", (0, 1), (None, None)),
]


@pytest.mark.parametrize(
    ("level", "item", "key", "index", "moment"), EXACT, ids=[case[2] for case in EXACT]
)
def test_where_nothing_may_differ_the_smallest_change_is_named(
    climb_with, keras, level, item, key, index, moment
):
    array = keras[key]
    smallest = float(np.spacing(array[index])) if array.dtype.kind == "f" else 1
    found = failing(climb_with(moved(key, index, smallest)))
    first = found.first_failure
    assert found.id == level
    assert (first.name, (first.epoch, first.step), first.index) == (item, moment, index)
    assert (first.worst, first.allowed, first.unit) == (1.0, 0.0, "count")
    assert first.keras == array[index]
    assert first.torch != first.keras


def set_fact(*path, value):
    def change(parts):
        place = parts.facts
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


LAYER, SHAPES = ("structure", "layers", 0), ("structure", "parameters")
RATES, ADAM = ("settings", "layers"), ("settings", "optimizer")
PENALTIES = ("settings", "l2")
DROPOUT = {"name": "dropout1", "kind": "dropout", "output_shape": [2]}


DIFFERENT_FACTS = {
    ("sha256", "x_train"): ("data", "x_train.sha256", "a1", "ff"),
    ("sha256", "x_test"): ("data", "x_test.sha256", "absent", "ff"),
    (*LAYER, "activation"): ("structure", "conv1.activation", "relu", "linear"),
    (*LAYER, "output_shape"): ("structure", "conv1.output_shape", [2], [3]),
    (*LAYER, "stride"): ("structure", "conv1.stride", "absent", 2),
    ("structure", "dtype"): ("structure", "dtype", "float64", "float32"),
    (*SHAPES, "conv1.kernel"): ("structure", "conv1.kernel.shape", [2, 2], [4]),
    (*SHAPES, "conv9.bias"): ("structure", "conv9.bias.shape", "absent", [1]),
    (*RATES, "dropout1", "rate"): ("forward", "dropout1.rate", 0.25, 0.5),
    (*PENALTIES, "conv1"): ("loss", "l2.conv1", "absent", 0.01),
    (*ADAM, "epsilon"): ("optimizer", "optimizer.epsilon", 1e-07, 1e-08),
    (*ADAM, "weight_decay"): ("optimizer", "optimizer.weight_decay", 0.0, 0.004),
    (*ADAM, "amsgrad"): ("optimizer", "optimizer.amsgrad", "absent", True),
    (*ADAM, "name"): ("optimizer", "optimizer.name", "adam", "sgd"),
}


@pytest.mark.parametrize(
    ("path", "expected"),
    DIFFERENT_FACTS.items(),
    ids=[expected[1] for expected in DIFFERENT_FACTS.values()],
)
def test_a_fact_that_differs_is_named(climb_with, path, expected):
    level, item, ours, theirs = expected
    found = failing(climb_with(set_fact(*path, value=theirs)))
    first = found.first_failure
    assert (found.id, first.name) == (level, item)
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (ours, theirs)]
    assert [first.keras, first.torch] == texts


@pytest.mark.parametrize(
    ("layers", "item"),
    [
        ([DROPOUT], "layers"),
        ([DROPOUT, whole_parts().facts["structure"]["layers"][0]], "layers"),
        ([*whole_parts().facts["structure"]["layers"], DROPOUT], "layers"),
    ],
    ids=["one is missing", "another order", "one comes twice"],
)
def test_layers_are_compared_in_their_order(climb_with, layers, item):
    found = failing(climb_with(set_fact("structure", "layers", value=layers)))
    assert (found.id, found.first_failure.name) == ("structure", item)


@pytest.mark.parametrize(
    ("l2", "named"),
    [
        ({"conv1": 0.01, "dense1": 0.01}, None),
        ({"conv1": 0.02, "dense1": 0.01}, ("l2.conv1", "0.01", "0.02")),
        ({"conv1": 0.01}, ("l2.dense1", "0.01", "absent")),
        ({}, ("l2.conv1", "0.01", "absent")),
    ],
    ids=["the same", "another factor", "one layer less", "none"],
)
def test_every_penalty_is_compared_with_the_loss(tmp_path, l2, named):
    halves = [whole_parts(), whole_parts()]
    halves[0].facts["settings"]["l2"] = {"conv1": 0.01, "dense1": 0.01}
    halves[1].facts["settings"]["l2"] = l2
    levels = climb(*(h.write(tmp_path / str(n)) for n, h in enumerate(halves)), Float64Tolerance())
    if named is None:
        assert [level.status for level in levels] == [PASS] * 10
    else:
        found = failing(levels)
        first = found.first_failure
        assert (found.id, first.name, first.keras, first.torch) == ("loss", *named)


@pytest.mark.parametrize("value", ["adam", [], {}, None, 3], ids=repr)
def test_facts_of_another_kind_are_never_taken_for_nothing(climb_with, value):
    found = failing(climb_with(set_fact("settings", "optimizer", value=value)))
    assert found.id == "optimizer"


def test_a_mapping_that_is_empty_in_one_half_only_is_compared(keras, tmp_path):
    halves = [whole_parts(), whole_parts()]
    halves[0].facts["settings"]["optimizer"] = {}
    halves[1].facts["settings"]["optimizer"] = "none"
    traces = [parts.write(tmp_path / str(n)) for n, parts in enumerate(halves)]
    assert failing(climb(*traces, Float64Tolerance())).first_failure.name == "optimizer"


def test_causes_come_before_effects_within_an_epoch(climb_with):
    def change(parts):
        for name in ("images", "labels"):
            parts.arrays[f"feed/1/{name}"][0] += 1
        parts.arrays["feed/2/index"][0] += 1

    found = failing(climb_with(change))
    names = [(item.name, item.epoch) for item in found.items if item.status == FAIL]
    assert names == [("labels", 1), ("images", 1), ("index", 2)]
    assert found.first_failure.name == "labels"


@pytest.mark.parametrize(("dtype", "allowed"), [("float32", 5e-7), ("float64", 1e-12)])
@pytest.mark.parametrize(("by", "status"), [(0.9, PASS), (1.1, FAIL)], ids=["within", "above"])
def test_augmented_images_may_differ_by_their_rounding(tmp_path, dtype, allowed, by, status):
    parts = whole_parts(augmentation=Augmentation(rotation_range=10), dtype=dtype)
    for epoch in range(3):
        parts.arrays[f"feed/{epoch}/images"] = np.array([0.25, 0.5, 0.75])
    keras = parts.write(tmp_path / "keras")
    parts.arrays["feed/1/images"][2] += by * allowed
    levels = climb(keras, parts.write(tmp_path / "torch"), Float64Tolerance())
    assert levels[0].status == status
    assert levels[0].worst.name == "images"
    assert (levels[0].worst.index, levels[0].worst.epoch) == ((2,), 1)


def test_parameters_of_the_augmentation_may_not_differ_and_come_before_the_images(tmp_path):
    parts = whole_parts(augmentation=Augmentation(rotation_range=10))
    keras = parts.write(tmp_path / "keras")
    parts.arrays["feed/1/theta"][1] = np.nextafter(-3.0, 0)
    parts.arrays["feed/1/images"][1] += 1
    found = failing(climb(keras, parts.write(tmp_path / "torch"), Float64Tolerance()))
    first = found.first_failure
    assert (found.id, first.name, first.epoch, first.index) == ("data", "theta", 1, (1,))


def set_history(key, epoch, value):
    def change(parts):
        parts.history[key][epoch] = value

    return change


@pytest.mark.parametrize("key", HISTORY_KEYS[:-1])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_value_of_the_history_is_named_with_its_epoch(climb_with, keras, key, epoch):
    value = keras.history[key][epoch]
    allowed = 1e-12 * max(1, value)
    levels = climb_with(set_history(key, epoch, value + 0.9 * allowed))
    assert [level.status for level in levels] == [PASS] * 10
    found = failing(climb_with(set_history(key, epoch, value + 1.1 * allowed)))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", key)
    assert (first.epoch, first.step) == (epoch, STEPS_PER_EPOCH * (epoch + 1))
    assert (first.keras, first.torch) == (value, value + 1.1 * allowed)


def test_the_earliest_step_that_differs_is_named_first(climb_with):
    def change(parts):
        parts.arrays["running_loss"][2] += 1
        parts.arrays["running_loss"][3] += 9
        parts.arrays["trajectory/4/conv1.kernel"] += 5
        parts.history["val_loss"][0] += 0.5  # after step 2

    found = failing(climb_with(change))
    assert (found.first_failure.name, found.first_failure.step) == ("val_loss", 2)
    # Of each epoch's running losses the first that differs, not the one that differs most.
    rows = [item for item in found.items if item.name == "running loss"]
    assert [(item.step, item.status) for item in rows][1] == (3, FAIL)
    assert found.worst.step == 4


def test_of_all_weights_of_a_step_the_worst_is_named(climb_with):
    def change(parts):
        parts.arrays["trajectory/5/conv1.kernel"][0, 1] += 0.25
        parts.arrays["trajectory/5/dense1.bias"][1] += 0.5

    first = failing(climb_with(change)).first_failure
    assert (first.name, first.step, first.index, first.worst) == ("dense1.bias", 5, (1,), 0.5)


@pytest.mark.parametrize("value", [NAN, INF, -INF], ids=str)
def test_a_run_that_diverges_in_one_half_only_fails(climb_with, value):
    def change(parts):
        parts.arrays["trajectory/2/conv1.kernel"][:] = value
        parts.arrays["running_loss"][1:] = value
        for key in ("loss", "val_loss"):
            parts.history[key] = [value] * 3

    first = failing(climb_with(change)).first_failure
    assert (first.name, first.step, first.worst) == ("conv1.kernel", 2, INF)


def test_runs_that_diverge_alike_pass(tmp_path):
    parts = whole_parts()
    parts.arrays["trajectory/6/conv1.kernel"][:] = NAN
    parts.arrays["running_loss"][3:] = NAN
    parts.history["loss"][1:] = parts.history["val_loss"][1:] = [NAN, INF]
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    assert [level.status for level in climb(keras, torch, Float64Tolerance())] == [PASS] * 10


def test_a_huge_difference_where_nothing_is_allowed_fails_without_a_warning(climb_with):
    found = failing(climb_with(moved("running_loss", (2,), 1e300), Noisy(weight=0.0)))
    assert (found.first_failure.name, found.first_failure.step) == ("running loss", 3)


# The schedule.


def other_rates(epoch, *, worse=True):
    """The torch half trains with another rate from an epoch on, and so with other weights."""

    def change(parts):
        for number in range(epoch, 3):
            parts.history["learning_rate"][number] = 0.0001
            if worse:
                parts.history["val_loss"][number] += 1
                parts.arrays["running_loss"][2 * number :] += 1
                parts.arrays[f"trajectory/{2 * number + 2}/conv1.kernel"] += 1

    return change


@pytest.mark.parametrize("epoch", [1, 2])
def test_from_another_rate_on_the_difference_belongs_to_the_schedule(climb_with, epoch):
    levels = climb_with(other_rates(epoch))
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name, first.epoch) == ("schedule", "learning_rate", epoch)
    assert (first.keras, first.torch) == (0.001, 0.0001)
    trajectory = levels[IDS.index("trajectory")]
    assert trajectory.status == PASS
    assert f"compared up to epoch {epoch}," in trajectory.origin
    assert max(item.epoch for item in trajectory.items) == epoch - 1
    assert max(item.step for item in trajectory.items) == STEPS_PER_EPOCH * epoch


def test_a_difference_before_the_rates_part_belongs_to_the_trajectory(climb_with):
    def change(parts):
        other_rates(2)(parts)
        parts.arrays["trajectory/4/dense1.bias"][1] += 1

    first = failing(climb_with(change)).first_failure
    assert (first.name, first.step) == ("dense1.bias", 4)


@pytest.mark.parametrize("tolerance", [Float64Tolerance(), Noisy(parts_from=1)], ids=["64", "32"])
def test_another_rate_from_the_start_leaves_no_trajectory_and_fails(climb_with, tolerance):
    levels = climb_with(other_rates(0), tolerance)
    assert levels[IDS.index("trajectory")].status == SKIPPED
    found = failing(levels)
    assert (found.id, found.first_failure.epoch) == ("schedule", 0)


def test_rates_that_rounding_may_part_pass_as_far_as_they_agree(climb_with):
    levels = climb_with(other_rates(2), Noisy(parts_from=2))
    assert [level.status for level in levels] == [PASS] * 10
    schedule = levels[IDS.index("schedule")]
    assert "from epoch 2 on rounding decides" in schedule.origin
    assert [item.epoch for item in schedule.items] == [0, 1]
    assert failing(climb_with(other_rates(1), Noisy(parts_from=2))).id == "schedule"


# The end: early stopping may end the halves at different epochs.

STOPPING = EarlyStopping(patience=2)


def ended(epochs, change=None, *, early_stopping=STOPPING):
    """A run of three epochs which ended after so many of them."""
    parts = whole_parts(early_stopping=early_stopping)
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
def climb_ended(tmp_path):
    """Climbs with two runs, Keras's first."""

    def run(keras, torch, tolerance=None):
        traces = keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")
        return climb(*traces, tolerance or Float64Tolerance())

    return run


UNEQUAL = pytest.mark.parametrize("lengths", [(3, 2), (2, 3), (3, 1), (1, 3)], ids=str)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_halves_that_end_at_the_same_epoch_pass(climb_ended, epochs):
    levels = climb_ended(ended(epochs), ended(epochs))
    assert [level.status for level in levels] == [PASS] * 10
    trajectory, schedule = (levels[IDS.index(name)] for name in ("trajectory", "schedule"))
    assert max(item.epoch for item in trajectory.items) == epochs - 1
    assert "compared up to" not in trajectory.origin
    names = [(item.name, item.epoch) for item in schedule.items]
    assert names == [
        *(("learning_rate", epoch) for epoch in range(epochs)),
        ("epochs", None),
        *((f"{name} (restored)", None) for name in ("conv1.kernel", "dense1.bias")),
    ]


def test_a_port_that_does_not_bring_back_the_best_weights_fails(climb_ended):
    torch = ended(3)
    torch.arrays["restored/conv1.kernel"][0, 1] += 1
    found = failing(climb_ended(ended(3), torch))
    first = found.first_failure
    assert (found.id, first.name, first.index) == ("schedule", "conv1.kernel (restored)", (0, 1))


def test_where_rounding_may_choose_the_best_epoch_its_weights_are_not_compared(climb_ended):
    torch = ended(3)
    torch.arrays["restored/conv1.kernel"] += 1
    levels = climb_ended(ended(3), torch, Noisy(parts_from=3))
    assert [level.status for level in levels] == [PASS] * 10


@UNEQUAL
@pytest.mark.parametrize("parts_from", [None, 3], ids=["never", "from 3 on"])
def test_halves_that_end_at_different_epochs_fail_at_the_schedule(climb_ended, lengths, parts_from):
    levels = climb_ended(*map(ended, lengths), Noisy(parts_from=parts_from))
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name, (first.keras, first.torch)) == ("schedule", "epochs", lengths)
    trajectory = levels[IDS.index("trajectory")]
    assert trajectory.status == PASS
    assert f"compared up to epoch {min(lengths)}, from which on" in trajectory.origin


@UNEQUAL
def test_where_rounding_may_end_the_training_the_halves_may_end_apart(climb_ended, lengths):
    levels = climb_ended(*map(ended, lengths), Noisy(parts_from=min(lengths)))
    assert [level.status for level in levels] == [PASS] * 10
    schedule = levels[IDS.index("schedule")]
    assert f"from epoch {min(lengths)} on rounding decides" in schedule.origin
    assert "training ends" in schedule.origin
    assert [item.name for item in schedule.items] == ["learning_rate"] * min(lengths)


@UNEQUAL
def test_without_early_stopping_no_tolerance_allows_another_number_of_epochs(climb_ended, lengths):
    halves = [ended(length, early_stopping=None) for length in lengths]
    found = failing(climb_ended(*halves, Noisy(parts_from=0)))
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
def test_what_only_the_longer_half_trained_is_not_compared(climb_ended, is_torch_longer):
    halves = [ended(2), ended(3, everything_after(4))]
    levels = climb_ended(*(halves if is_torch_longer else halves[::-1]), Noisy(parts_from=2))
    trajectory = levels[IDS.index("trajectory")]
    assert trajectory.status == PASS
    assert max(item.step for item in trajectory.items) == 4
    assert max(item.epoch for item in trajectory.items) == 1
    assert levels[IDS.index("schedule")].status == PASS


@pytest.mark.parametrize(
    ("key", "index", "named"),
    [
        ("trajectory/4/dense1.bias", (1,), ("dense1.bias", 4)),
        ("running_loss", (3,), ("running loss", 4)),
    ],
)
@UNEQUAL
def test_a_difference_in_the_epochs_of_both_belongs_to_the_trajectory(
    climb_ended, lengths, key, index, named
):
    if min(lengths) == 1:
        key, index, named = key.replace("4", "2"), (1,), (named[0], 2)
    halves = ended(lengths[0]), ended(lengths[1], moved(key, index, 1.0))
    found = failing(climb_ended(*halves, Noisy(parts_from=min(lengths))))
    assert found.id == "trajectory"
    assert (found.first_failure.name, found.first_failure.step) == named


def test_of_other_rates_and_another_end_what_comes_first_is_named(climb_ended):
    found = failing(climb_ended(ended(3), ended(2, other_rates(1, worse=False))))
    first = found.first_failure
    assert (found.id, first.name, first.epoch) == ("schedule", "learning_rate", 1)
    assert [item.name for item in found.items if item.status == FAIL] == ["learning_rate", "epochs"]


@pytest.mark.parametrize("count", [0, 3, 5])
def test_steps_that_do_not_fit_the_epochs_fail_also_where_training_may_end_early(
    climb_ended, count
):
    torch = ended(2)
    torch.arrays["running_loss"] = np.ones(count)
    found = failing(climb_ended(ended(3), torch, Noisy(parts_from=2)))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", "running loss")
    assert (first.keras, first.torch) == ("float64 (6,)", f"float64 ({count},)")


@pytest.mark.parametrize("lengths", [(3, 2), (2, 3), (2, 2)], ids=str)
def test_as_many_steps_in_both_halves_that_do_not_fit_the_epochs_are_told(climb_ended, lengths):
    halves = [ended(length) for length in lengths]
    for half in halves:
        half.arrays["running_loss"] = whole_parts().arrays["running_loss"]
    unfit = "keras" if lengths[0] == 2 else "torch"
    with pytest.raises(RunError, match=rf"/{unfit}: its running losses do not fit its epochs"):
        climb_ended(*halves, Noisy(parts_from=2))


def test_a_half_that_ends_before_its_first_epoch_does_not_pass(climb_ended):
    for lengths in ((3, 0), (0, 3), (0, 0)):
        for tolerance in (Float64Tolerance(), Noisy(parts_from=0)):
            assert FAIL in [x.status for x in climb_ended(*map(ended, lengths), tolerance)]


# The behaviour. Only where the rates part can the trajectory pass and the verdict differ.


def behaviour_of(climb_with, accuracy, val_accuracy, *, val_loss=2.0, noise):
    def change(parts):
        other_rates(2)(parts)
        parts.history["accuracy"][2] = accuracy
        parts.history["val_accuracy"][2] = val_accuracy
        parts.history["val_loss"][2] = val_loss

    return climb_with(change, Noisy(accuracy=noise, parts_from=2))[-1]


@pytest.mark.parametrize(
    ("accuracy", "val_accuracy", "noise", "status", "item"),
    [
        (0.95, 0.94, 0.001, PASS, "verdict"),
        (0.95, 0.96, 0.0, PASS, "verdict"),
        (0.99, 0.90, 0.01, FAIL, "verdict"),
        (0.89, 0.89, 0.01, FAIL, "verdict"),
        # gap 0.06 against 0.01: within twice 0.03
        (0.95, 0.89, 0.03, PASS, "gap"),
        (0.95, 0.89, 0.02, FAIL, "verdict"),
        # The same gap at another accuracy is another behaviour.
        (0.50, 0.49, 0.03, FAIL, "verdict"),
        (0.50, 0.49, 0.5, PASS, "train_accuracy"),
    ],
    ids=[
        "the same",
        "the same verdict",
        "overfit",
        "underfit",
        "gap within the noise",
        "gap above the noise",
        "same gap, another accuracy",
        "much noise",
    ],
)
def test_another_verdict_passes_only_within_the_noise(
    climb_with, accuracy, val_accuracy, noise, status, item
):
    level = behaviour_of(climb_with, accuracy, val_accuracy, noise=noise)
    assert level.id == "behaviour"
    assert level.status == status
    assert level.worst.name == item


def test_a_diverged_run_is_never_within_the_noise_of_one_that_is_not(climb_with):
    level = behaviour_of(climb_with, 0.95, 0.94, val_loss=NAN, noise=10.0)
    assert level.status == FAIL
    assert (level.first_failure.keras, level.first_failure.torch) == ("good_fit", "diverged")


# What is missing, or empty, or of another length.


def outcome(keras, torch):
    """Climbs; the level that fails, or the RunError."""
    try:
        return failing(climb(keras, torch, Float64Tolerance())).id
    except RunError as error:
        return error


@pytest.mark.parametrize("key", sorted(whole_parts().arrays))
def test_an_array_that_one_half_lacks_is_told(keras, tmp_path, key):
    parts = whole_parts()
    del parts.arrays[key]
    lacking = parts.write(tmp_path / "half")
    for found in (outcome(keras, lacking), outcome(lacking, keras)):
        assert isinstance(found, RunError)
        assert str(lacking.directory) in str(found)
        assert repr(key) in str(found)


@pytest.mark.parametrize(
    "path",
    [
        ("sha256",),
        ("sha256", "x_train"),
        ("num_classes",),
        ("steps_per_epoch",),
        ("structure",),
        ("structure", "layers"),
        ("structure", "layers", 0),
        ("structure", "layers", 0, "name"),
        ("structure", "layers", 0, "activation"),
        ("structure", "parameters"),
        ("structure", "parameters", "conv1.kernel"),
        ("structure", "dtype"),
        ("settings",),
        ("settings", "layers"),
        ("settings", "layers", "dropout1"),
        ("settings", "l2"),
        ("settings", "optimizer"),
        ("settings", "optimizer", "epsilon"),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_fact_that_one_half_lacks_is_told(keras, tmp_path, path):
    parts = whole_parts()
    place = parts.facts
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    lacking = parts.write(tmp_path / "half")
    assert outcome(lacking, keras) in IDS or isinstance(outcome(lacking, keras), RunError)
    if path != ("steps_per_epoch",):  # the length of Keras's epochs counts
        assert outcome(keras, lacking)


@pytest.mark.parametrize("key", HISTORY_KEYS)
def test_a_column_of_the_history_that_one_half_lacks_is_told(keras, tmp_path, key):
    parts = whole_parts()
    del parts.history[key]
    lacking = parts.write(tmp_path / "half")
    for found in (outcome(keras, lacking), outcome(lacking, keras)):
        assert isinstance(found, RunError)
        assert f"history.json has no {key!r}" in str(found)


@pytest.mark.parametrize("key", ["dtype", "augmentation"])
def test_a_setting_that_the_trace_lacks_is_told(keras, tmp_path, key):
    parts = whole_parts()
    del parts.spec[key]
    assert isinstance(outcome(parts.write(tmp_path / "half"), keras), RunError)


def test_a_run_of_fewer_epochs_fails(climb_with):
    def change(parts):
        for column in parts.history.values():
            column.pop()

    found = failing(climb_with(change))
    first = found.first_failure
    assert (found.id, first.name, first.keras, first.torch) == ("trajectory", "epochs", 3, 2)


@pytest.mark.parametrize("count", [0, 5, 7])
def test_a_run_of_another_number_of_steps_fails_whatever_else_is_missing(climb_with, count):
    def change(parts):
        parts.arrays["running_loss"] = np.ones(count)
        del parts.arrays["trajectory/6/conv1.kernel"]

    found = failing(climb_with(change))
    first = found.first_failure
    assert (found.id, first.name, first.num_compared) == ("trajectory", "running loss", 0)
    assert (first.keras, first.torch) == ("float64 (6,)", f"float64 ({count},)")


@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("feed/0/index", "data"),
        ("feed/2/images", "data"),
        ("init/conv1.kernel", "init"),
        ("mask/dropout1", "forward"),
        ("forward/eval/conv1", "forward"),
        ("gradient/dense1.bias", "gradient"),
        ("optimizer/20/velocity/conv1.kernel", "optimizer"),
    ],
)
def test_nothing_compared_is_not_a_pass(tmp_path, key, level):
    parts = whole_parts()
    parts.arrays[key] = parts.arrays[key][:0]
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    found = failing(climb(keras, torch, Float64Tolerance()))
    assert found.id == level
    assert found.first_failure.note == "nothing to compare"


def test_a_net_without_parameters_does_not_pass(tmp_path):
    parts = whole_parts()
    parts.facts["structure"]["parameters"] = {}
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    found = failing(climb(keras, torch, Float64Tolerance()))
    assert (found.id, found.items) == ("init", ())


def test_no_epochs_do_not_pass(tmp_path):
    parts = whole_parts()
    parts.history = {key: [] for key in HISTORY_KEYS}
    parts.arrays["running_loss"] = np.zeros(0)
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    levels = climb(keras, torch, Float64Tolerance())
    assert FAIL in [level.status for level in levels]


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.astype(np.float32),
        lambda array: array.reshape(4),
        lambda array: array[None],
    ],
    ids=["float32", "flat", "one axis more"],
)
@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("init/conv1.kernel", "init"),
        ("forward/train/conv1", "forward"),
        ("gradient/conv1.kernel", "gradient"),
        ("trajectory/2/conv1.kernel", "trajectory"),
    ],
)
def test_another_shape_or_dtype_is_a_finding(climb_with, key, level, change):
    def apply(parts):
        parts.arrays[key] = change(parts.arrays[key])

    found = failing(climb_with(apply))
    assert (found.id, found.first_failure.note) == (level, "shape or dtype differs")


# With an envelope in place of one number.


@pytest.mark.parametrize(("by", "status"), [(0.7, PASS), (0.8, FAIL)], ids=["within", "above"])
def test_an_envelope_allows_what_nudged_runs_have_differed_by(keras, tmp_path, by, status):
    # 1.5 × 0.5 = 0.75 from step 5 on, nothing before.
    nudged = whole_parts()
    for step in (5, 6):
        nudged.arrays[f"trajectory/{step}/conv1.kernel"][0, 0] += 0.5
    envelope = Envelope([keras, nudged.write(tmp_path / "nudged")], factor=1.5, floor=0.0)
    torch = whole_parts()
    torch.arrays["trajectory/5/dense1.bias"][1] += by
    levels = climb(keras, torch.write(tmp_path / "torch"), envelope)
    assert levels[IDS.index("trajectory")].status == status
    torch.arrays["trajectory/4/dense1.bias"][1] += 1e-15
    levels = climb(keras, torch.write(tmp_path / "torch"), envelope)
    assert failing(levels).first_failure.step == 4


def test_a_trace_of_a_nudged_run_which_has_no_probe_is_told(keras, tmp_path):
    bare = run_parts([0.0, 0.0], [1.0]).write(tmp_path / "bare")
    assert isinstance(outcome(keras, bare), RunError)
