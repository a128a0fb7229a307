"""Rules for the values of a file that may be from anyone: what is right, and what was expected.

A rule is a pair: whether a value is right, and what was expected in words. `check` and `checked`
apply them; a value that is not right is a ValueError with its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

MAX_WRONG = 40  # characters that are shown of what is wrong
NOT_FINITE = ("NaN", "Infinity", "-Infinity")  # as `parity.trace.encode_floats` writes them

Rule = tuple[Callable[[Any], bool], str]

MAPPING: Rule = (lambda value: isinstance(value, dict)), "a mapping"
BOOL: Rule = (lambda value: isinstance(value, bool)), "true or false"
AMOUNT: Rule = (lambda value: is_finite(value) and value >= 0), "a number of at least 0"
SHARE: Rule = (lambda value: is_finite(value) and 0 <= value <= 1), "a number in [0, 1]"
NUMBER: Rule = (
    (lambda value: is_finite(value) or (isinstance(value, str) and value in NOT_FINITE)),
    "a number, or one of " + ", ".join(map(repr, NOT_FINITE)),
)


def is_finite(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def integer(least: int, most: int | None = None) -> Rule:
    """Returns the rule of a whole number."""

    def is_right(value: Any) -> bool:
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        return is_integer and value >= least and (most is None or value <= most)

    upper = "" if most is None else f" and at most {most:,}"
    return is_right, f"an integer of at least {least}{upper}"


def text(most: int, least: int = 0) -> Rule:
    """Returns the rule of a text, by its number of characters."""
    length = f"{least} to {most}" if least else f"at most {most:,}"
    return (
        (lambda value: isinstance(value, str) and least <= len(value) <= most),
        f"a text of {length} characters",
    )


def one_of(*names: str) -> Rule:
    """Returns the rule of a name."""
    return (lambda value: isinstance(value, str) and value in names), " or ".join(map(repr, names))


def list_of(what: str, most: int) -> Rule:
    """Returns the rule of a list; its entries have rules of their own."""
    return (
        (lambda value: isinstance(value, list) and len(value) <= most),
        f"a list of at most {most:,} {what}",
    )


def or_none(rule: Rule) -> Rule:
    """Returns the rule of a value that may be null."""
    is_right, expected = rule
    return (lambda value: value is None or is_right(value)), f"{expected}, or null"


def check(place: str, value: Any, rule: Rule) -> Any:
    """Returns a value that is right.

    Raises:
        ValueError: it is not; the message says where it stands, what it is, what was expected.
    """
    is_right, expected = rule
    if is_right(value):
        return value
    shown = repr(value)
    shown = shown if len(shown) <= MAX_WRONG else shown[: MAX_WRONG - 3] + "..."
    raise ValueError(f"{place} is {shown}; expected {expected}")


def check_each(place: str, values: list[Any], rule: Rule) -> list[Any]:
    """Returns a list whose entries are all right.

    Raises:
        ValueError: one is not, as told by `check`.
    """
    for number, value in enumerate(values):
        if not rule[0](value):
            check(f"{place}[{number}]", value, rule)
    return values


def checked(
    place: str,
    content: Any,
    rules: Mapping[str, Rule],
    needed: Collection[str] | None = None,
) -> dict[str, Any]:
    """Returns the values of a mapping that have a rule; keys without one are ignored.

    Args:
        place: of the mapping; "" for the whole file.
        content: what should be the mapping.
        rules: by key.
        needed: keys that have to be there; None = all that have a rule.

    Raises:
        ValueError: it is no mapping, lacks a key, or has a value that is not right.
    """
    whole = place or "the file"
    if not isinstance(content, dict):
        raise ValueError(f"{whole} is of type {type(content).__name__}; expected a mapping")
    found = {}
    for name, rule in rules.items():
        if name not in content:
            if needed is None or name in needed:
                raise ValueError(f"{whole} has no {name!r}")
            continue
        found[name] = check(f"{place}.{name}" if place else name, content[name], rule)
    return found
