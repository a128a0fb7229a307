"""What the tests of the examples share with those in `tests`."""

import pytest
from warm_halves import warmed


@pytest.fixture(autouse=True, scope="module")
def _children_begin_with_their_framework_imported():
    with warmed():
        yield
