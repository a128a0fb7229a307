"""Names of the items of the level "metrics"."""

from __future__ import annotations

# Part of the keys -> how its items end. The given outputs come first: they show metrics alone.
PARTS = {"given": " (given outputs)", "eval": " (eval)", "train": " (train)"}
NAME = "name of "  # starts the name of an item


def metric_of(item: str) -> str:
    """Returns the name of the metric of an item."""
    name = item.removeprefix(NAME)
    for ending in PARTS.values():
        name = name.removesuffix(ending)
    return name
