"""Values, and where they stand, as a page shows them."""

from __future__ import annotations

import math
from typing import Any

from parity.report.sentences import number as finite_number


def number(value: float) -> str:
    """Returns a difference or a limit, with signs for what is not finite."""
    if math.isfinite(value):
        return finite_number(value)
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def value(given: Any) -> str:
    """Returns a value of either half as exactly as it is known."""
    return repr(given) if isinstance(given, float) else str(given)


def share(worst: float, allowed: float) -> float:
    """Returns where a difference stands between nothing and what is allowed, from 0 to 1.

    The logarithm decides: twelve powers of ten below what is allowed is 0.
    """
    if worst == 0:
        return 0.0
    if not worst <= allowed:
        return 1.0
    return max(0.0, 1 + math.log10(worst / allowed) / 12)
