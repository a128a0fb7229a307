"""`Data` checks, freezes and hashes its arrays, whoever made them."""

import numpy as np
import pytest
from rows import each_row

from parity.data.dataset import Data, array_sha256
from parity.errors import InputError

# (printf '<f4 (2, 3)\n'; printf '000000000000803f0000004000004040000080400000a040' | xxd -r -p)
# | sha256sum
HASH_OF_SIX = "d74c1628aef7dc3ca961af35221b493f865c9be6444a1a1b8777a1fb65891932"


def data_of(**changes):
    one = np.ones((1, 3, 4, 1), np.float32)
    fields = {
        **{"x_train": np.zeros((2, 3, 4, 1), np.float32), "y_train": np.array([0, 1])},
        **{"x_val": one, "y_val": np.array([1]), "x_test": one, "y_test": np.array([1])},
        **{"num_classes": 2, "source": "made by hand"},
    }
    return Data(**fields | changes)


def test_the_hash_covers_dtype_shape_and_bytes():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert array_sha256(array) == array_sha256(np.asfortranarray(array)) == HASH_OF_SIX
    others = [array.reshape(3, 2), array.view(np.int32), array[::-1], array.astype(np.float64)]
    assert len({array_sha256(other) for other in [array, *others]}) == 5


def test_data_made_by_hand_know_their_shape_and_leave_the_makers_array_writeable():
    mine = np.zeros((2, 3, 4, 1), np.float32)
    data = data_of(x_train=mine)
    assert data.input_shape == (3, 4, 1)
    assert (data.x_train.flags.writeable, mine.flags.writeable) == (False, True)


@each_row(
    ("changes", "message"),
    [
        ({"x_val": np.zeros((1, 3, 4, 1))}, "x_val is float64"),
        ({"x_val": np.zeros((1, 4, 3, 1), np.float32)}, r"expected float32 \(N, 3, 4, 1\)"),
        ({"x_train": np.zeros((2, 12), np.float32)}, "x_train is float32"),
        ({"x_train": np.float32(0)}, "x_train is float32"),
        ({"x_test": np.full((1, 3, 4, 1), 2, np.float32)}, "divide"),
        ({"y_val": np.array([1], np.int32)}, "y_val is int32"),
        ({"y_val": np.array([[1]])}, r"expected int64 \(N,\)"),
        ({"y_val": np.array([2])}, "number the classes"),
        ({"y_val": np.array([-1])}, "number the classes"),
        ({"y_train": np.array([0])}, "1 items for 2 images"),
        ({"y_test": np.zeros(0, np.int64)}, "0 items for 1 images"),
        ({"num_classes": 1}, "num_classes is 1"),
    ],
)
def test_data_made_by_hand_are_checked(changes, message):
    with pytest.raises(InputError, match=message):
        data_of(**changes)
