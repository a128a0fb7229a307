"""Names that a name may be meant to be, in the message of one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Collection

_FEW = 8  # names that a message lists all


def expected_one_of(name: str, known: Collection[str], where: str) -> str:
    """Returns what was expected: "expected one of the WHERE, such as 'Argmax'".

    Args:
        name: that is not known.
        known: those that are; few of them are all named.
        where: what they are, and where a reader finds all of them: "operations in MODULE".
    """
    if len(known) <= _FEW:
        return f"expected one of {sorted(known)}"
    by_case = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_case, n=3)
    found = [by_case[each] for each in near if by_case[each] != name]
    like = f", such as {', '.join(map(repr, found))}" if found else ""
    return f"expected one of the {where}{like}"
