"""Values out of JSON with one place changed, for the tests of what reads a file from anyone."""

import copy

REMOVED = object()


def changed(content, place, value):
    """A copy with another value at a place, such as ("levels", 0, "id"); or without it."""
    if not place:
        return value
    content = copy.deepcopy(content)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    if value is REMOVED:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return content


def places(value, place=()):
    """The places of all values inside nested mappings and lists, these included."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*place, key))
