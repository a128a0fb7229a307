"""What a run compares before it trains: one wrong number is named, with its place."""

import json

import numpy as np
import pytest
from ladder_runs import failing, levels_of, moved
from traces import whole_parts

from parity.ladder.items import FAIL, PASS
from parity.programs.run_spec import Augmentation

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
    ("trajectory", "conv1.kernel", "trajectory/5/conv1.kernel", (1, 0), 2e-12, (2, 5)),
    ("trajectory", "running loss", "running_loss", (0,), 2e-12, (0, 1)),
    ("trajectory", "running loss", "running_loss", (3,), 1.4e-12, (1, 4)),
    ("trajectory", "running loss", "running_loss", (5,), 1e-12, (2, 6)),
]


close = pytest.mark.parametrize(
    ("level", "item", "key", "index", "allowed", "moment"), CLOSE, ids=[case[2] for case in CLOSE]
)


@close
def test_one_element_just_within_what_is_allowed_passes(
    compared_with, level, item, key, index, allowed, moment
):
    levels = compared_with(moved(key, index, 0.9 * allowed))
    assert [found.status for found in levels] == [PASS] * 11
    worst = next(found for found in levels if found.id == level).worst
    assert (worst.name, (worst.epoch, worst.step)) == (item, moment)
    assert 0.8 < worst.ratio < 1


@close
def test_one_element_just_above_what_is_allowed_is_named_with_place_and_values(
    compared_with, keras, level, item, key, index, allowed, moment
):
    found = failing(compared_with(moved(key, index, 1.1 * allowed)))
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
    compared_with, keras, level, item, key, index, moment
):
    array = keras[key]
    smallest = float(np.spacing(array[index])) if array.dtype.kind == "f" else 1
    found = failing(compared_with(moved(key, index, smallest)))
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
def test_a_fact_that_differs_is_named(compared_with, path, expected):
    level, item, ours, theirs = expected
    found = failing(compared_with(set_fact(*path, value=theirs)))
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
def test_layers_are_compared_in_their_order(compared_with, layers, item):
    found = failing(compared_with(set_fact("structure", "layers", value=layers)))
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
    levels = levels_of(*(h.write(tmp_path / str(n)) for n, h in enumerate(halves)))
    if named is None:
        assert [level.status for level in levels] == [PASS] * 11
    else:
        found = failing(levels)
        first = found.first_failure
        assert (found.id, first.name, first.keras, first.torch) == ("loss", *named)


@pytest.mark.parametrize("value", ["adam", [], {}, None, 3], ids=repr)
def test_facts_of_another_kind_are_never_taken_for_nothing(compared_with, value):
    found = failing(compared_with(set_fact("settings", "optimizer", value=value)))
    assert found.id == "optimizer"


def test_a_mapping_that_is_empty_in_one_half_only_is_compared(keras, tmp_path):
    halves = [whole_parts(), whole_parts()]
    halves[0].facts["settings"]["optimizer"] = {}
    halves[1].facts["settings"]["optimizer"] = "none"
    traces = [parts.write(tmp_path / str(n)) for n, parts in enumerate(halves)]
    assert failing(levels_of(*traces)).first_failure.name == "optimizer"


def test_causes_come_before_effects_within_an_epoch(compared_with):
    def change(parts):
        for name in ("images", "labels"):
            parts.arrays[f"feed/1/{name}"][0] += 1
        parts.arrays["feed/2/index"][0] += 1

    found = failing(compared_with(change))
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
    levels = levels_of(keras, parts.write(tmp_path / "torch"))
    assert levels[0].status == status
    assert levels[0].worst.name == "images"
    assert (levels[0].worst.index, levels[0].worst.epoch) == ((2,), 1)


def test_parameters_of_the_augmentation_may_not_differ_and_come_before_the_images(tmp_path):
    parts = whole_parts(augmentation=Augmentation(rotation_range=10))
    keras = parts.write(tmp_path / "keras")
    parts.arrays["feed/1/theta"][1] = np.nextafter(-3.0, 0)
    parts.arrays["feed/1/images"][1] += 1
    found = failing(levels_of(keras, parts.write(tmp_path / "torch")))
    first = found.first_failure
    assert (found.id, first.name, first.epoch, first.index) == ("data", "theta", 1, (1,))
