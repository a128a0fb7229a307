"""Errors of a user's input, which are told in one line."""

from contextlib import contextmanager

import pytest

from parity.errors import InputError


@contextmanager
def told_in_one_line(message=""):
    """A block that ends with such an error, in which a regular expression is found."""
    with pytest.raises(InputError, match=message) as raised:
        yield raised
    assert "\n" not in str(raised.value)
