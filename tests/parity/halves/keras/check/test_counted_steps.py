"""Where values count by Keras's masks, and targets that a masked loss and a port can tell apart."""

import keras
import numpy as np
import odd_nets as nets
import pytest
from rows import each_row

from parity.halves.keras.check.run import run_check
from parity.halves.keras.check.sequence_masks import confident_of, targets_of
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

L = keras.layers
WORDS = {"shape": (7,), "dtype": "int32"}
COUNTS = np.array([[True, True, False], [True, False, False]])


def probed(*layers, **settings):
    writer = TraceWriter()
    build = nets.chain(lambda: L.Embedding(20, 4, mask_zero=True, name="words"), *layers, **WORDS)
    run_check(CheckSpec(steps=2, **settings), build, writer)
    return writer.arrays


def test_masked_steps_are_free_where_nothing_uses_them():
    arrays = probed(
        lambda: L.LSTM(3, name="lstm", return_sequences=True), lambda: L.Dense(2, name="out")
    )
    counts = arrays["input/probe/0"] != 0
    assert not counts.all()
    ends = ("words/output", "lstm/input/0", "lstm/output", "out/input/0", "output")
    for key in (f"{mode}/{end}" for mode in ("eval", "train") for end in ends):
        np.testing.assert_array_equal(arrays[f"counted/{key}"], counts)
    np.testing.assert_array_equal(arrays["counted/step1/output"], arrays["input/step1/0"] != 0)


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_masked_steps_count_where_something_uses_them():
    arrays = probed(lambda: L.GlobalMaxPooling1D(name="most"), lambda: L.Dense(2))
    assert not [key for key in arrays if key.startswith("counted/") and "/given/" not in key]


def test_class_0_is_the_target_of_masked_steps_alone():
    y, expected = np.array([[0, 2, 1], [1, 0, 2]]), np.array([[1, 2, 0], [1, 0, 0]])
    np.testing.assert_array_equal(targets_of(y, "classes", COUNTS, 3), expected)
    one_hot = targets_of(np.eye(3)[y], "one_hot", COUNTS, 3)
    np.testing.assert_array_equal(one_hot.argmax(-1), expected)
    np.testing.assert_array_equal(one_hot.sum(-1), np.ones((2, 3)))


@each_row(
    "kind, counts, num_classes",
    [("values", COUNTS, 3), ("classes", None, 3), ("classes", COUNTS, 1)],
)
def test_other_targets_stay_as_they_are(kind, counts, num_classes):
    y = np.zeros((2, 3))
    assert targets_of(y, kind, counts, num_classes) is y


def test_confident_outputs_for_a_masked_batch_keep_how_right_they_are():
    draw = np.random.default_rng(3)
    linear, y = draw.normal(size=(8, 3, 4)), draw.integers(0, 4, size=(8, 3))
    made, labels = confident_of(linear, y, "classes", COUNTS, 2)
    assert made.shape == (2, 3, 4)
    np.testing.assert_array_equal(labels > 0, COUNTS)
    for row, step in zip(*np.nonzero(COUNTS), strict=True):
        source, at = linear[row + 3, step], y[row + 3, step]  # the surest one is the fourth
        assert made[row, step, labels[row, step]] == source[at]
        assert sorted(made[row, step]) == sorted(source)


def test_a_masked_loss_keeps_its_mask_behind_an_activation():
    arrays = probed(lambda: L.Dense(2, activation="softmax", name="out"))
    counts, slope = arrays["input/probe/0"] != 0, arrays["output_gradient/out.activation"]
    np.testing.assert_array_equal(arrays["counted/train/output"], counts)
    assert (slope[~counts].any(), slope[counts].any()) == (False, True)
