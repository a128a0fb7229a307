"""The calls of the networks in steps of the user's own: where they differ from Keras's first.

Both halves may call their networks in another order. A call of Keras belongs to that of the port
which gets the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.own_evidence import is_close, told

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.traces.trace import Trace

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Difference:
    """The first call that differs.

    Attributes:
        name: of the network.
        number: of the call among those of the network, from 1; 0 if there is one.
        what: INPUT or OUTPUT.
        is_first: whether Keras calls the network for the first time.
        dropped: how many dropouts drop something in this call, in Keras and in the port.
    """

    name: str
    number: int
    what: str
    is_first: bool
    dropped: tuple[int, int]

    @property
    def is_dropped_in_one(self) -> bool:
        """Whether dropouts are active in one half only."""
        return bool(self.dropped[0]) != bool(self.dropped[1])

    @property
    def place(self) -> str:
        """The call in words."""
        name = self.name or "the network"
        return f"{name} in its call number {self.number}" if self.number else name


@dataclass(frozen=True)
class Calls:
    """The calls of both halves, side by side.

    Attributes:
        first: the first that differs; None: each call of Keras has its like.
        again: networks that the port calls once more, with what they got before, and that return
            something else then.
        is_more: whether the port calls networks with other numbers as well.
    """

    first: Difference | None
    again: tuple[str, ...]
    is_more: bool


def compared_calls(evidence: Evidence) -> Calls | None:
    """Returns where the calls differ; None if they cannot be told from one another."""
    return evidence.once(_compared)


def _compared(evidence: Evidence) -> Calls | None:
    keras, port = evidence.keras, evidence.port
    theirs, ours = told(keras)["called"], told(port)["called"]
    held = set(told(port).get("parts", ours))
    numbers = [n for n, name in enumerate(theirs) if name in held]
    if not numbers or not set(ours) >= {theirs[n] for n in numbers}:
        return None
    left, first = list(range(len(ours))), None
    for number in numbers:
        alike = [
            n
            for n in left
            if ours[n] == theirs[number] and _shapes(keras, number) == _shapes(port, n)
        ]
        if not alike:
            return None
        whats = [_what(keras, number, port, n) for n in alike]
        best = next((whats.index(what) for what in ("", OUTPUT) if what in whats), 0)
        left.remove(alike[best])
        if whats[best] and first is None:
            first = _difference(evidence, number, alike[best], whats[best])
    again, is_more = list[str](), False
    for n in left:
        whats = [_what(keras, k, port, n) for k in numbers if theirs[k] == ours[n]]
        if "" in whats:
            continue
        if OUTPUT in whats:
            again.append(ours[n])
        is_more = is_more or OUTPUT not in whats
    return Calls(first, tuple(dict.fromkeys(again)), is_more)


def _difference(evidence: Evidence, number: int, own: int, what: str) -> Difference:
    keras, port = told(evidence.keras), told(evidence.port)
    called = keras["called"]
    name = called[number]
    counts = (keras.get("dropped"), number), (port.get("dropped"), own)
    return Difference(
        name,
        called[: number + 1].count(name) if called.count(name) > 1 else 0,
        what,
        name not in called[:number],
        (_count(*counts[0]), _count(*counts[1])),
    )


def _count(dropped: list[int] | None, number: int) -> int:
    return dropped[number] if dropped and number < len(dropped) else 0


def _shapes(trace: Trace, number: int) -> list[tuple[str, tuple[int, ...]]]:
    return [(place, array.shape) for place, array in sorted(_arrays(trace, number, INPUT).items())]


def _what(keras: Trace, number: int, port: Trace, own: int) -> str:
    """Returns at what two calls of one network differ first; "" if they do not."""
    for what in (INPUT, OUTPUT):
        theirs, ours = _arrays(keras, number, what), _arrays(port, own, what)
        for place in theirs.keys() & ours.keys():
            is_same = theirs[place].shape == ours[place].shape
            if not is_same or not is_close(theirs[place], ours[place]):
                return what
    return ""


def _arrays(trace: Trace, number: int, what: str) -> dict[str, np.ndarray]:
    prefix = f"part/{number}/{what}"
    return {place: trace[f"{prefix}/{place}"] for place in trace.below(prefix)}
