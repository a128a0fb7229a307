"""Parts of a probe, tested as a probe has them."""

import pytest


@pytest.fixture(autouse=True)
def _operations_are_direct(direct):
    """As in `run_check`."""
