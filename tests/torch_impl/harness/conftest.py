"""What tests of the torch half of a check share."""

import check_pairs
import pytest
import torch


@pytest.fixture(autouse=True)
def _default_type_is_left_as_found():
    """A port makes new tensors in float64."""
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def recorded():
    return check_pairs.recorded()
