"""Arrays of a run come back to the bit, batches are rows of the feed, and bad codes are told."""

import numpy as np
import pytest
from helpers import assert_same_bits
from rows import each_row

from parity.traces.bundle_coding import RunArrays, check_run_codes, encode_run
from parity.traces.trace import DTYPES

draw = np.random.default_rng(0)
X = draw.normal(size=(40, 3))
ARRAYS = {
    "feed/x": X,
    "feed/y": np.arange(40) % 3,
    "feed/names/float16": X.astype(np.float16),
    "anchor/5/batches/0/0": X[8:16].astype(np.float32),
    "anchor/5/batches/0/1": (np.arange(40) % 3)[8:16],
    "anchor/5/batches/1/0": X[[3, 1, 2]].astype(np.float32),  # in another order
    "anchor/5/weights/a": draw.normal(size=(2, 5)).astype(np.float32),
    "anchor/9/weights/a": draw.normal(size=(2, 5)).astype(np.float32),
    "training/loss": draw.normal(size=7),
    "training/final/a": draw.normal(size=(2, 5)).astype(np.float32).astype(np.float64),
    "training/weights/0/a": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
    "between_steps": np.array([0, -(2**60), 3]),
    "anchored/5/running/loss": np.array(0.25),
}
ARRAYS["training/weights/7/a"] = ARRAYS["training/final/a"]


def test_every_array_comes_back_to_the_bit():
    codes, stored = encode_run(ARRAYS, ARRAYS.__getitem__)
    assert check_run_codes(codes) == ""
    found = RunArrays(codes, stored.__getitem__)
    assert set(codes) == set(ARRAYS)
    for key, array in ARRAYS.items():
        assert_same_bits(found[key], array)


@each_row("dtype", DTYPES.values())
def test_every_dtype_of_a_feed_comes_back(dtype):
    array = np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype)
    codes, stored = encode_run(["feed/x"], {"feed/x": array}.__getitem__)
    assert_same_bits(RunArrays(codes, stored.__getitem__)["feed/x"], array)


def test_batches_are_rows_of_what_was_fed_and_repeated_arrays_are_stored_once():
    codes, stored = encode_run(ARRAYS, ARRAYS.__getitem__)
    where = {
        key: {k: v for k, v in code.items() if k in ("as", "of", "at")}
        for key, code in codes.items()
    }
    assert where["anchor/5/batches/0/0"] == {"as": "rows", "of": "feed/x", "at": 8}
    # The labels repeat; the first rows that are the same are those of the start.
    assert where["anchor/5/batches/0/1"]["as"] == "rows"
    assert where["anchor/5/batches/1/0"] == {"as": "bytes"}
    assert where["training/final/a"] == {"as": "float32"}
    assert where["training/weights/7/a"] == {"as": "same", "of": "training/final/a"}
    assert stored["training/final/a"].shape == (4, 10)  # four bytes for each of ten values
    assert not {"anchor/5/batches/0/0", "training/weights/7/a"} & set(stored)


@each_row("array", [np.zeros((0, 3)), np.zeros(2, complex), np.array(["a"])])
def test_what_no_bundle_can_hold_is_told(array):
    with pytest.raises(ValueError, match="the array 'feed/x' is "):
        encode_run(["feed/x"], {"feed/x": array}.__getitem__)


ROWS = {"dtype": "F64", "shape": [4, 3], "as": "rows", "of": "feed/x", "at": 36}
WRONG = {
    "unknown": ({"dtype": "F64", "shape": [3], "as": "pickle"}, "is 'pickle'; expected one of"),
    "no_text": ({"dtype": "F64", "shape": [3], "as": 3}, "is '3'; expected one of"),
    "fields": ({"dtype": "F64", "shape": [3], "as": "bytes", "at": 0}, "has other fields"),
    "integers": ({"dtype": "I64", "shape": [3], "as": "float32"}, "is for F64"),
    "nothing": ({**ROWS, "of": "feed/z"}, "speaks of an array that is not stored"),
    "list": ({**ROWS, "of": ["feed/x"]}, "speaks of an array that is not stored"),
    "itself": ({**ROWS, "of": "wrong"}, "speaks of an array that is not stored"),
    "not_fed": ({**ROWS, "of": "training/loss", "shape": [3]}, "speaks of rows that are not there"),
    "behind": ({**ROWS, "at": 37}, "speaks of rows that are not there"),
    "before": ({**ROWS, "at": -1}, "speaks of rows that are not there"),
    "fraction": ({**ROWS, "at": 1.5}, "speaks of rows that are not there"),
    "axes": ({**ROWS, "shape": [4, 3, 1]}, "speaks of rows that are not there"),
    "dtype": ({**ROWS, "dtype": "I64"}, "speaks of rows that are not there"),
    "other_size": (
        {"dtype": "F64", "shape": [8], "as": "same", "of": "training/loss"},
        "speaks of an array that it cannot be",
    ),
}


@each_row(("code", "message"), WRONG.values(), ids=WRONG)
def test_a_code_that_cannot_be_is_told(code, message):
    codes, _ = encode_run(ARRAYS, ARRAYS.__getitem__)
    assert message in check_run_codes({**codes, "wrong": code})


OF_SEVEN = {"dtype": "F64", "shape": [7], "as": "bytes"}


OF_TRUTH = {"dtype": "BOOL", "shape": [2], "as": "bytes"}


@each_row(
    ("code", "stored", "message"),
    [
        (OF_SEVEN, np.zeros((8, 6), np.uint8), "is stored with the shape"),
        (OF_SEVEN, np.zeros((7, 7), np.uint8), "is stored with the shape"),
        (OF_SEVEN, np.zeros((8, 7), np.int64), "is stored with the shape"),
        (OF_TRUTH, np.array([[1, 7]], np.uint8), "other values than true and false"),
    ],
)
def test_what_is_stored_otherwise_is_refused(code, stored, message):
    with pytest.raises(ValueError, match=message):
        RunArrays({"feed/x": code}, lambda key: stored)["feed/x"]
