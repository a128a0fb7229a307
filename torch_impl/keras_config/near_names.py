"""expected_one_of: names near to an unknown one, in the place of a long list of all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST, _LIKENESS = 4, 0.6  # names, and how alike they are written, as `difflib` measures it
_LONGEST = 80  # characters; the name may come from a hostile file


def expected_one_of(name: str, known: Iterable[str]) -> str:
    """Returns what was expected in the place of a name: "expected one of ... (near: 'Dense')".

    Args:
        name: that is not known.
        known: all names that are.
    """
    lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower()[:_LONGEST], lower, n=_MOST, cutoff=_LIKENESS)
    told = f" (near: {', '.join(repr(lower[each]) for each in near)})" if near else ""
    return f"expected one of Keras's that have a twin{told}"
