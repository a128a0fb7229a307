"""Results of checks made by hand."""

import dataclasses

from parity.ladder.items import FAIL, PASS, Item, Level
from parity.ladder.result import Found, Result


def level(name, *, worst=0.0, item="conv.kernel", note=""):
    """One item, of which 1e-12 is allowed."""
    compared = Item(item, worst, 1e-12, "rel", 3, keras=1.5, torch=-2.5, note=note)
    return Level(name, compared.status, "why so much is allowed", (compared,))


def result_of(*levels, causes=(), place=None):
    """A check; each level that fails has a divergence, and the first one has these causes."""
    found = [
        Found(level.id, level.first_failure, (level.first_failure.name,))
        for level in levels
        if level.first_failure
    ]
    if found:
        found[0] = dataclasses.replace(found[0], causes=tuple(causes), place=place)
    return Result(
        FAIL if found else PASS,
        {"torch": "model.py:build", "seed": 0},
        levels=levels,
        mode="replayed",
        divergences=tuple(found),
    )


def explained(result, causes=(), place=None):
    """A result whose first divergence has these causes, at this place."""
    level, item = result.first_divergence
    found = Found(level.id, item, (item.name,), tuple(causes), place)
    return dataclasses.replace(result, divergences=(found, *result.divergences[1:]))
