"""How the children of these tests begin."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _children_are_forked(warm_halves):
    """Their own start is no concern of any file here."""
