"""Names of weights."""

import pytest

from parity.data.weight_names import short_name


@pytest.mark.parametrize(
    "weight", ["conv1.kernel", "outer.inner/kernel", "outer/inner.kernel", "kernel"]
)
def test_the_short_name_is_the_last_part(weight):
    assert short_name(weight) == "kernel"
