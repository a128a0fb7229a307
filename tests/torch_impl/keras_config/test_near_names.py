"""A name that is not known is told with those near to it, not with all that there are."""

import pytest

from torch_impl.keras_config.builders import BUILDERS
from torch_impl.keras_config.near_names import expected_one_of


@pytest.mark.parametrize(
    ("name", "near"), [("Conv2d", "'Conv2D'"), ("LayerNormalisation", "'LayerNormalization'")]
)
def test_the_nearest_name_is_told_first_and_few_others(name, near):
    told = expected_one_of(name, BUILDERS)
    assert told.startswith(f"expected one of Keras's that have a twin (near: {near}")
    assert told.count(", ") <= 3


@pytest.mark.parametrize("name", ["Xyzzy", "", "A" * 10_000])
def test_a_name_that_is_near_to_none_is_told_without(name):
    assert expected_one_of(name, BUILDERS) == "expected one of Keras's that have a twin"
