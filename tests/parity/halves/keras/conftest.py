"""What tests of the Keras half share."""

import pytest

from parity.halves.keras import versions


@pytest.fixture
def in_float64():
    """Keras makes float64, as in a check; after each test it is as before."""
    versions.use_dtype("float64")
