"""What a check of the small network leaves, for all tests that read it and change nothing in it."""

import check_pairs
import pytest


@pytest.fixture(scope="module")
def recorded():
    return check_pairs.recorded()
