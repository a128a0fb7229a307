"""What a message says in the place of a table of names that would fill a page."""

from __future__ import annotations

from collections.abc import Iterable


def one_of(name: object, known: Iterable[str], where: str) -> str:
    """Returns what was expected: the names that are almost the given one, and where all are.

    Args:
        name: as it was given; a class of the user's own may have the name of one of Keras's.
        known: all names.
        where: what holds them, in Python: "torch_impl.losses.LOSSES".
    """
    import difflib  # 5 ms, for messages alone

    by_lower = {each.lower(): each for each in sorted(known) if each != name}
    found = difflib.get_close_matches(str(name).lower()[:80], by_lower, n=3)
    near = " or ".join(repr(by_lower[each]) for each in found)
    return f"expected one of {where}{f', such as {near}' if near else ''}"
