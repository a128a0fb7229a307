"""Sine, cosine and logarithm in float32 are the C library's, or rounded once without it."""

import math

import numpy as np
import pytest
from covering import one_test

from torch_impl import c_library
from torch_impl.c_library import cosine, logarithm, sine

NUMBERS = np.linspace(1e-3, 40, 999)


@pytest.mark.parametrize(
    ("ours", "exact"), [(sine, math.sin), (cosine, math.cos), (logarithm, math.log)]
)
@pytest.mark.parametrize("has_library", [True, False])
def test_float32_is_within_a_unit_in_the_last_place(ours, exact, has_library, monkeypatch):
    if not has_library:
        monkeypatch.setattr(c_library, "_function", lambda name: None)
    for number in NUMBERS.astype(np.float32):
        found = ours(number)
        assert found.dtype == np.float32
        nearest = np.float32(exact(float(number)))
        assert abs(found - nearest) <= (np.spacing(abs(nearest)) if has_library else 0)


@one_test
@pytest.mark.parametrize("number", [np.float32(-1), np.float64(-1)])
def test_the_logarithm_of_a_negative_number_is_not_a_number(number):
    assert np.isnan(logarithm(number))


def test_a_library_without_the_function_is_no_error():
    assert c_library._function("no_such_function") is None
