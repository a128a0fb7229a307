"""Values at masked steps are free, and only there."""

import numpy as np

from parity.ladder.compare import counts_of, only_counted
from parity.ladder.recorded import compare_recorded


class Arrays(dict):
    """A trace of arrays alone."""

    def __init__(self, arrays):
        super().__init__(arrays)
        self.facts = {"dtype": "float64", "noise": {}}

    def largest(self, key):
        return float(np.abs(self[key]).max())


KEY = "forward/eval/lstm/output"
THEIRS = np.array([[[1.0, 2], [3, 4], [3, 4]], [[5, 6], [5, 6], [5, 6]]])
COUNTS = np.array([[True, True, False], [True, False, False]])
KERAS = Arrays({KEY: THEIRS, "counted/eval/lstm/output": COUNTS})


def test_zeros_of_a_packed_sequence_are_no_difference():
    packed = np.where(COUNTS[..., None], THEIRS, 0)
    assert compare_recorded(KERAS, KEY, packed, "lstm").status == "pass"


def test_a_difference_where_steps_count_is_one():
    ours = THEIRS.copy()
    ours[1, 0, 0] += 1e-6
    assert compare_recorded(KERAS, KEY, ours, "lstm").status == "fail"


def test_without_a_mask_every_value_counts():
    plain = Arrays({KEY: THEIRS})
    assert (
        compare_recorded(plain, KEY, np.where(COUNTS[..., None], THEIRS, 0), "x").status == "fail"
    )
    assert counts_of(plain, KEY, THEIRS.shape) is None


def test_another_shape_stays_a_difference():
    theirs, ours = only_counted(KERAS, KEY, THEIRS, THEIRS[:, :2])
    assert theirs is THEIRS
    assert ours.shape == (2, 2, 2)
    assert compare_recorded(KERAS, KEY, THEIRS[:, :2], "lstm").status == "fail"


def test_gradients_and_other_arrays_have_no_mask():
    arrays = Arrays({**KERAS, "output_gradient/lstm": THEIRS})
    assert counts_of(arrays, "output_gradient/lstm", THEIRS.shape) is None
