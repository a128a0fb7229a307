"""What tests of the torch half of a check share."""

import check_pairs
import pytest


@pytest.fixture(scope="module")
def recorded():
    return check_pairs.recorded()
