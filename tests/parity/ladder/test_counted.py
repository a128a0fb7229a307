"""Values at masked steps are free, and only there."""

import numpy as np
import pytest

from parity.ladder.compare import counts_of, only_counted
from parity.ladder.items import FAIL, PASS
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


PLAIN = Arrays({KEY: THEIRS})
PACKED = np.where(COUNTS[..., None], THEIRS, 0)
OTHER = np.where(THEIRS == 5, THEIRS + 1e-6 * COUNTS[..., None], THEIRS)


@pytest.mark.parametrize(
    ("keras", "ours", "status"),
    [
        (KERAS, PACKED, PASS),
        (KERAS, OTHER, FAIL),  # where steps count
        (PLAIN, PACKED, FAIL),  # without a mask every value counts
        (KERAS, THEIRS[:, :2], FAIL),
    ],
    ids=["packed", "other", "no_mask", "shape"],
)
def test_zeros_of_a_packed_sequence_are_no_difference(keras, ours, status):
    assert compare_recorded(keras, KEY, ours, "lstm").status == status


def test_another_shape_stays_as_it_is_and_without_a_mask_nothing_is_counted():
    theirs, ours = only_counted(KERAS, KEY, THEIRS, THEIRS[:, :2])
    assert theirs is THEIRS
    assert ours.shape == (2, 2, 2)
    assert counts_of(PLAIN, KEY, THEIRS.shape) is None


def test_gradients_and_other_arrays_have_no_mask():
    arrays = Arrays({**KERAS, "output_gradient/lstm": THEIRS})
    assert counts_of(arrays, "output_gradient/lstm", THEIRS.shape) is None
