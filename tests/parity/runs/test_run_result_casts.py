"""Whole trainings of programs that cast to float32: both halves leave it out where all is exact."""

import pytest
from programs_here import keras_half, result_of, spec_of

pytestmark = pytest.mark.long

SPEC = spec_of(keras="casts_keras.py:build", torch="casts_torch.py:right", epochs=None)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_port_that_casts_as_keras_does_passes(dtype, tmp_path):
    """In float32 the steps from recorded states are made in float64, where a cast would round."""
    found = result_of(SPEC.replace(dtype=dtype), tmp_path)
    assert (found.verdict, found.incomplete) == ("pass", ()), found.first


def test_another_constant_is_caught_all_the_same(tmp_path, tmp_path_factory):
    spec = SPEC.replace(torch="casts_torch.py:wrong")
    found = result_of(spec, tmp_path, keras_half(tmp_path_factory, spec))
    assert (found.verdict, found.first.level) == ("fail", "forward")
