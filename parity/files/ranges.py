"""Ranges: what a value is besides its type, in the annotations of settings and of results.

`seed: AtLeast0` says it once. Settings are checked for it when they are made
(`parity.programs.settings`), files when they are read, and the published schemas say it
(`parity.files.records`). It imports nothing: children have settings, and need no msgspec.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

MAX_ENTRIES = 1_000_000  # of a list


@dataclass(frozen=True)
class Rule:
    """A condition on a value in addition to its type, part of an annotation.

    Attributes:
        holds: whether a value of that type is valid.
        expected: the condition in words, for the message.
        meta: what of it files are checked for: arguments of `msgspec.Meta`, or "names".
    """

    holds: Callable[[Any], bool]
    expected: str
    meta: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


def one_of(known: Sequence[str]) -> Rule:
    """Returns the rule that a value is one of the known ones."""
    return Rule(lambda value: value in known, f"one of {tuple(known)}", {"names": tuple(known)})


def least(number: int) -> Rule:
    """Returns the rule that a number is not smaller."""
    return Rule(lambda value: value >= number, f"an integer of at least {number}", {"ge": number})


def length(lowest: int, highest: int | None = None) -> Rule:
    """Returns the rule on the length of a text, a list or a mapping."""
    most = math.inf if highest is None else highest
    meta = {"min_length": lowest or None, "max_length": highest}
    return Rule(lambda value: lowest <= len(value) <= most, f"{lowest} to {most} of them", meta)


AtLeast0 = Annotated[int, least(0)]
AtLeast1 = Annotated[int, least(1)]
Fraction = Annotated[
    float, Rule(lambda value: 0 <= value <= 1, "a fraction in [0, 1]", {"ge": 0, "le": 1})
]
NotNegative = Annotated[float, Rule(lambda value: value >= 0, "a number of at least 0", {"ge": 0})]
Half = Annotated[str, one_of(("keras", "torch"))]
