"""What is missing in a run, or empty, or of another length."""

import numpy as np
import pytest
from ladder_runs import failing, levels_of
from traces import HISTORY_KEYS, whole_parts

from parity.errors import RunError
from parity.ladder.items import FAIL
from parity.ladder.levels import LEVEL_IDS


def outcome(keras, torch):
    """Compares; the level that fails, or the RunError."""
    try:
        return failing(levels_of(keras, torch)).id
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
    assert outcome(lacking, keras) in LEVEL_IDS or isinstance(outcome(lacking, keras), RunError)
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


def test_a_run_of_fewer_epochs_fails(compared_with):
    def change(parts):
        for column in parts.history.values():
            column.pop()

    found = failing(compared_with(change))
    first = found.first_failure
    assert (found.id, first.name, first.keras, first.torch) == ("trajectory", "epochs", 3, 2)


@pytest.mark.parametrize("count", [0, 5, 7])
def test_a_run_of_another_number_of_steps_fails_whatever_else_is_missing(compared_with, count):
    def change(parts):
        parts.arrays["running_loss"] = np.ones(count)
        del parts.arrays["trajectory/6/conv1.kernel"]

    found = failing(compared_with(change))
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
    found = failing(levels_of(keras, torch))
    assert found.id == level
    assert found.first_failure.note == "nothing to compare"


def test_a_net_without_parameters_does_not_pass(tmp_path):
    parts = whole_parts()
    parts.facts["structure"]["parameters"] = {}
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    found = failing(levels_of(keras, torch))
    assert (found.id, found.items) == ("init", ())


def test_no_epochs_do_not_pass(tmp_path):
    parts = whole_parts()
    parts.history = {key: [] for key in HISTORY_KEYS}
    parts.arrays["running_loss"] = np.zeros(0)
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    levels = levels_of(keras, torch)
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
def test_another_shape_or_dtype_is_a_finding(compared_with, key, level, change):
    def apply(parts):
        parts.arrays[key] = change(parts.arrays[key])

    found = failing(compared_with(apply))
    assert (found.id, found.first_failure.note) == (level, "shape or dtype differs")
