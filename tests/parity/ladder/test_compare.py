"""Arrays are compared as they are: equal, or a finding."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from parity.ladder.compare import (
    absolute_difference,
    compare_close,
    compare_exact,
    greatest_difference,
    relative_differences,
)
from parity.ladder.items import FAIL, PASS

NAN, INF = math.nan, math.inf
F32, F64 = np.float32, np.float64


def array(*values, dtype=F64):
    return np.array(values, dtype)


SAME = {
    "one value": (array(1.0), array(1.0)),
    "a scalar": (np.array(2.5), np.array(2.5)),
    "Python numbers": (3, 3),
    "text": ("relu", "relu"),
    "lists of text": (["a", "bc"], ["a", "bc"]),
    "booleans": (array(True, False, dtype=bool), array(True, False, dtype=bool)),
    "large integers": (array(2**63 - 1, dtype=np.int64), array(2**63 - 1, dtype=np.int64)),
    "NaN in both at one place": (array(1.0, NAN), array(1.0, NAN)),
    "equal infinities": (array(INF, -INF), array(INF, -INF)),
    "NaN scalars": (NAN, NAN),
    "zeros of both signs": (array(0.0), array(-0.0)),
    "another memory order": (np.ones((2, 3)), np.asfortranarray(np.ones((2, 3)))),
}

DIFFERENT = {
    "one value": (array(1.0, 2.0), array(1.0, 2.5)),
    "the last bit": (array(1.0), np.nextafter(array(1.0), 2)),
    "a scalar": (np.array(2.5), np.array(2.0)),
    "text": ("relu", "gelu"),
    "text that goes on": ("relu", "relu6"),
    "NaN in keras only": (array(1.0, NAN), array(1.0, 1.0)),
    "NaN in torch only": (array(1.0, 1.0), array(1.0, NAN)),
    "NaN at another place": (array(1.0, NAN), array(NAN, 1.0)),
    "opposite infinities": (array(INF), array(-INF)),
    "an infinity on one side": (array(INF), array(1e308)),
    "an infinity and a NaN": (array(INF), array(NAN)),
    "booleans": (array(True, dtype=bool), array(False, dtype=bool)),
    "integers that float64 cannot tell apart": (2**53, 2**53 + 1),
}

NEVER_MADE_TO_FIT = {
    "a column and a row": (np.ones((3, 1)), np.ones(3)),
    "a transposed matrix": (np.ones((2, 3)), np.ones((3, 2))),
    "a scalar and a vector": (np.array(1.0), np.ones(3)),
    "a scalar and one element": (np.array(1.0), np.ones(1)),
    "one element more": (np.ones(3), np.ones(4)),
    "an empty one": (np.ones(3), np.ones(0)),
    "empty ones of two shapes": (np.ones((0, 3)), np.ones((3, 0))),
    "float32 and float64": (np.ones(3, F32), np.ones(3, F64)),
    "int64 and int32": (np.ones(3, np.int64), np.ones(3, np.int32)),
    "bool and int64": (np.ones(3, bool), np.ones(3, np.int64)),
    "int and float": (1, 1.0),
    "text and a number": ("1", 1),
}

CLOSE = {
    "equal": (array(1.0, 2.0), array(1.0, 2.0), 0.0),
    "below what is allowed": (array(1.0, 2.0), array(1.0, 2.0625), 0.125),
    "exactly what is allowed": (array(1.0, 2.0), array(1.0, 2.125), 0.125),
    "NaN in both": (array(NAN, 2.0), array(NAN, 2.0), 0.0),
    "equal infinities": (array(INF, -INF), array(INF, -INF), 0.0),
    "a scalar": (np.array(1.0), np.array(1.0625), 0.125),
    "Python numbers": (1.0, 1.0625, 0.125),
    "float32": (array(1, dtype=F32), array(1.0625, dtype=F32), 0.125),
}

FAR = {
    "above what is allowed": (array(1.0, 2.0), array(1.0, 2.25), 0.125, 0.25),
    "anything where nothing is allowed": (array(0.0), array(5e-324), 0.0, 5e-324),
    "NaN in keras only": (array(NAN, 2.0), array(1.0, 2.0), 1e300, INF),
    "NaN in torch only": (array(1.0, 2.0), array(1.0, NAN), 1e300, INF),
    "opposite infinities": (array(INF), array(-INF), 1e300, INF),
    "an infinity on one side": (array(1.0), array(INF), 1e300, INF),
    "a difference beyond float64": (array(1.7e308), array(-1.7e308), 1e300, INF),
    "a scalar": (np.array(1.0), np.array(1.25), 0.125, 0.25),
    "below zero": (array(-1.0), array(-1.25), 0.125, 0.25),
}


TWO = np.array([[0, 1, 99], [3, 99, 5]])
# Values of both halves, and what is told of them.
EXACT = [
    *(
        (*case, {"status": PASS, "worst": 0.0, "index": None, "note": "",
                 "num_compared": np.size(case[0])})
        for case in SAME.values()
    ),
    *(
        (*case, {"status": FAIL, "allowed": 0, "unit": "count",
                 "worst": 2 if name == "NaN at another place" else 1})
        for name, case in DIFFERENT.items()
    ),
    # The first unequal element is named, and all are counted; a scalar has no index.
    (np.arange(6).reshape(2, 3), TWO, {
        "index": (0, 2), "keras": 2, "torch": 99, "worst": 2.0, "num_compared": 6,
        "note": "2 of 6 differ", "epoch": 1, "step": None}),
    (2.0, 3.0, {"index": None, "keras": 2.0, "torch": 3.0}),
]  # fmt: skip


@pytest.mark.parametrize(("keras", "torch", "told"), EXACT, ids=str)
def test_values_are_equal_or_a_finding(keras, torch, told):
    item = compare_exact("item", keras, torch, epoch=1)
    assert {name: getattr(item, name) for name in told} == told


@pytest.mark.parametrize(("keras", "torch"), NEVER_MADE_TO_FIT.values(), ids=NEVER_MADE_TO_FIT)
def test_another_shape_or_dtype_should_fail_whatever_is_allowed(keras, torch):
    item = compare_exact("item", keras, torch)
    assert item.status == FAIL
    assert (item.worst, item.allowed, item.num_compared) == (INF, 0.0, 0)
    assert item.note == "shape or dtype differs"
    assert str(np.asarray(keras).shape) in item.keras
    assert str(np.asarray(torch).dtype) in item.torch
    for unit in ("abs", "rel"):
        item = compare_close("item", keras, torch, allowed=INF, unit=unit)
        assert (item.status, item.worst, item.num_compared, item.unit) == (FAIL, INF, 0, unit)


# Values of both halves, what is allowed, and what is told of them.
NEAR_OR_FAR = [
    *((*case, {"status": PASS, "note": ""}) for case in CLOSE.values()),
    *(
        (*case[:3], {"status": FAIL, "worst": case[3], "note": f"1 of {np.size(case[0])} above"})
        for case in FAR.values()
    ),
    (2.0, 3.0, 0.5, {"index": None, "keras": 2.0, "torch": 3.0}),
]


@pytest.mark.parametrize(("keras", "torch", "allowed", "told"), NEAR_OR_FAR, ids=str)
def test_values_may_be_as_far_apart_as_is_allowed(keras, torch, allowed, told):
    item = compare_close("item", keras, torch, allowed=allowed)
    assert {name: getattr(item, name) for name in told} == told


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
def test_nothing_should_fail(shape):
    empty = np.ones(shape)
    for item in (compare_exact("item", empty, empty), compare_close("i", empty, empty, allowed=9)):
        assert item.status == FAIL
        assert (item.worst, item.num_compared) == (0.0, 0)
        assert item.note == "nothing to compare"


def test_the_worst_element_is_named_with_both_values():
    keras = np.arange(24.0).reshape(2, 3, 4)
    torch = keras.copy()
    torch[0, 1, 2] += 0.25
    torch[1, 2, 3] -= 0.5
    item = compare_close("item", keras, torch, allowed=0.125, epoch=2, step=7)
    assert (item.index, item.keras, item.torch) == ((1, 2, 3), 23.0, 22.5)
    assert (item.worst, item.note) == (0.5, "2 of 24 above")
    assert (item.epoch, item.step) == (2, 7)
    assert all(type(value) is int for value in item.index)
    assert type(item.keras) is type(item.torch) is float


@pytest.mark.parametrize(
    ("keras", "difference", "worst"),
    [
        (array(4.0, -8.0, 1.0), 0.5, 0.0625),  # 0.5 / 8
        (array(0.25, 0.125), 0.5, 2.0),  # 0.5 / 0.25
        (array(0.0, 0.0), 0.5, 0.5),  # nothing to relate to: absolute
        (array(2.0, INF), 0.5, 0.25),  # an infinity is no scale
        (array(2.0, NAN), 0.5, 0.25),
    ],
    ids=["largest is negative", "below one", "all zero", "an infinity", "a NaN"],
)
def test_relative_means_in_units_of_the_largest_value_of_keras(keras, difference, worst):
    torch = keras.copy()
    torch[0] += difference
    item = compare_close("item", keras, torch, allowed=worst, unit="rel")
    assert (item.worst, item.unit, item.index) == (worst, "rel", (0,))
    assert item.status == PASS
    assert compare_close("item", keras, torch, allowed=worst * 0.99, unit="rel").status == FAIL


def test_a_difference_is_taken_in_float64_and_by_absolute_value():
    a, b = array(1.0, -1.0, dtype=F32), array(1.5, -3.0, dtype=F32)
    difference = absolute_difference(a, b)
    assert difference.dtype == F64
    assert difference.tolist() == [0.5, 2.0]
    one, next_one = F32(1), np.nextafter(F32(1), F32(2))
    assert absolute_difference(one, next_one) == 2.0**-23


ANY = hnp.arrays(F64, 5, elements=st.floats(allow_nan=True, allow_infinity=True))


@given(ANY, ANY)
def test_a_difference_is_symmetric_never_nan_and_zero_only_for_equals(a, b):
    difference = absolute_difference(a, b)
    assert not np.isnan(difference).any()
    np.testing.assert_array_equal(difference, absolute_difference(b, a))
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    np.testing.assert_array_equal(difference == 0, equal)
    assert compare_exact("item", a, b).worst == (~equal).sum()
    item = compare_close("item", a, b, allowed=0.0)
    assert (item.status == PASS) == bool(equal.all())
    assert item.worst == difference.max()


@pytest.mark.parametrize(
    ("largest", "worst", "unit"),
    [(0.25, 3e-13, "abs"), (1.0, 3e-13, "abs"), (-4.0, 7.5e-14, "rel")],
    ids=["below 1", "1", "above 1"],
)
def test_a_scaled_comparison_is_relative_only_where_numbers_are_above_1(largest, worst, unit):
    keras, torch = np.array([largest, 0.125]), np.array([largest, 0.125 + 3e-13])
    item = compare_close("w", keras, torch, allowed=1e-12, scaled=True)
    assert item.unit == unit
    assert item.worst == pytest.approx(worst, rel=1e-3)
    assert item.index == (1,)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0, -3.0], [1.5, 2.0, 3.0]),
        ([0.0, 1.0], [0.0, 1.0]),
        ([np.inf, 1.0], [np.inf, 1.25]),  # the same infinity: only the second value differs
        ([np.nan, 1.0], [np.nan, 3.0]),
        ([np.nan, 1.0], [2.0, 1.0]),
        ([np.inf, 1.0], [-np.inf, 1.0]),
        ([1e308, 0.0], [-1e308, 0.0]),
    ],
)
def test_the_greatest_difference_is_that_of_all_differences(a, b):
    a, b = np.array(a), np.array(b)
    assert greatest_difference(a, b) == absolute_difference(a, b).max()


def test_differences_are_relative_to_the_largest_value():
    """And infinite for arrays that are missing or of another shape."""
    zeros, ones = np.zeros(2), np.ones(2)
    theirs = {"a": np.array([4.0, -8.0]), "zero": zeros, "none": np.zeros(0), "b": ones, "c": ones}
    ours = {"a": np.array([4.0, -7.0]), "zero": np.array([0.0, 0.5]), "none": np.zeros(0)}
    found = dict(relative_differences(theirs, {**ours, "b": np.ones(3)}))
    assert found == {"a": 1 / 8, "zero": 0.5, "none": 0.0, "b": INF, "c": INF}
