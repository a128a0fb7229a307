"""What the audits of these tests share."""

import pytest
from remembered_search import remembered


@pytest.fixture(autouse=True, scope="module")
def _the_same_images_are_searched_once():
    with remembered():
        yield
