"""Files that tests write for the readers of histories, and what is read of them."""

import json

from helpers import refusal

from parity.behaviour.readers.history import read_history, read_with_notes
from parity.errors import InputError


def written(path, content):
    """The path of a file of bytes, of a text, or of what is neither as JSON."""
    text = content if isinstance(content, bytes | str) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, content):
    return read_history(written(path, content))


def reading(path, content):
    """The history, and notes on how it was read."""
    return read_with_notes(written(path, content))


def refused(path, content):
    """The message with which the content is refused."""
    return refusal(read_history, written(path, content))


def read_or_refused(path, content):
    """The history, of columns of one length; or none, where the content is refused in one line."""
    try:
        history = read(path, content)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return {}
    assert len({len(column) for column in history.values()}) == 1
    assert all(type(value) is float for column in history.values() for value in column)
    return history
