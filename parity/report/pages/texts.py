"""Values and positions as a page shows them."""

from __future__ import annotations

import math

from parity.report.sentences import number as finite_number


def number(value: float) -> str:
    """Returns a difference or a limit, with signs for what is not finite."""
    if math.isfinite(value):
        return finite_number(value)
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def share(worst: float, allowed: float) -> float:
    """Returns the position of a difference between zero and its limit, from 0 to 1.

    The scale is logarithmic: twelve powers of ten below the limit is 0.
    """
    if worst == 0:
        return 0.0
    if not worst <= allowed:
        return 1.0
    return max(0.0, 1 + math.log10(worst / allowed) / 12)
