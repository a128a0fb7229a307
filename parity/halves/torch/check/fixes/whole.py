"""Tries changes of what a port trains with, which its layers do not contain.

Suggestions go in, each with a text for the user. The first that ends the difference comes out.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from parity.ladder.items import FAIL
from parity.ladder.outcome import Outcome
from parity.traces.trace import Trace, TraceWriter

MOST_TRIALS = 24  # of one level

Together = tuple["Suggestion", ...]


@dataclass(frozen=True)
class Suggestion:
    """A change of a port.

    Attributes:
        text: for the user.
        change: as `made.changed_port` takes it.
        takes: names of what it sets; two that set the same are not made together.
    """

    text: str
    change: Mapping[str, Any]
    takes: frozenset[str] = field(default_factory=frozenset)


class Written:
    """What a stage has written, as the comparers of the ladder read a trace.

    Args:
        writer: of that stage.
        facts: of the port.
        raised: errors of the port, by stage; None: none.
    """

    def __init__(
        self,
        writer: TraceWriter,
        facts: Mapping[str, Any],
        raised: Mapping[str, str] | None = None,
    ) -> None:
        self._arrays, self.facts = writer.arrays, {**facts, "raised": raised or {}}

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def __getitem__(self, key: str) -> Any:
        return self._arrays[key]

    def below(self, prefix: str) -> list[str]:
        """Returns what follows `prefix/` in the keys that start so."""
        start = prefix + "/"
        return sorted(key[len(start) :] for key in self._arrays if key.startswith(start))

    @property
    def as_trace(self) -> Trace:
        """The same, for functions that take a trace."""
        return cast("Trace", self)


def is_ended(outcome: Outcome) -> bool:
    """Whether a level was compared and nothing of it differs."""
    return bool(outcome.items) and not any(item.status == FAIL for item in outcome.items)


def first_that_ends(
    singles: Sequence[Suggestion],
    sets: Iterable[Together],
    ends: Callable[[Together], bool],
) -> tuple[Together, int]:
    """Tries suggestions, from the smallest change to the largest.

    Args:
        singles: the most likely first. Those that set numbers are tried first, one by one and in
            pairs, then the others, and in the end three numbers together.
        sets: more suggestions, after the singles.
        ends: whether a set ends the difference.

    Returns:
        The set that does, or an empty one; and how many were tried.
    """
    small = [one for one in singles if one.takes]
    whole = [(one,) for one in singles if not one.takes]
    order = itertools.chain(_of(small, 1), _of(small, 2), whole, sets, _of(small, 3))
    count = 0
    for some in order:
        if count == MOST_TRIALS:
            break
        count += 1
        try:
            if ends(some):
                return some, count
        except Exception:  # a change that the port's code cannot take
            continue
    return (), count


def _of(small: Sequence[Suggestion], count: int) -> Iterator[Together]:
    """Yields so many suggestions that set different numbers."""
    for some in itertools.combinations(small, count):
        if sum(len(one.takes) for one in some) == len(frozenset().union(*(o.takes for o in some))):
            yield some


def as_typed(value: Any) -> Any:
    """Returns a number as somebody has typed it: Keras keeps 0.05 as 0.05000000074505806."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    short = float(np.format_float_positional(np.float32(value), unique=True, trim="0"))
    return short if float(np.float32(value)) == value else value


def code(value: Any) -> str:
    """Returns a value as code."""
    return repr(tuple(value)) if isinstance(value, list) else repr(value)


def listed(arguments: Mapping[str, Any]) -> str:
    """Returns arguments as code."""
    return ", ".join(f"{name}={code(value)}" for name, value in arguments.items())


def other_than_default(kind: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a class that a configuration sets, in the order of the class."""
    return {
        name: config[name]
        for name, parameter in inspect.signature(kind).parameters.items()
        if config.get(name) is not None and config[name] != parameter.default
    }
