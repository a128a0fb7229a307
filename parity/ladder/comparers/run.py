"""What the comparers of a whole run have in common: plain facts, parameters, lengths, rates."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from parity.ladder.compare import compare_exact

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def compare_facts(name: str, keras: Any, torch: Any) -> list[Item]:
    """Compares plain facts, mappings key by key; what one half lacks is "absent" there."""
    if (isinstance(keras, dict) and isinstance(torch, dict)) or any(
        isinstance(half, dict) and half for half in (keras, torch)
    ):
        a = keras if isinstance(keras, dict) else {}
        b = torch if isinstance(torch, dict) else {}
        prefix = f"{name}." if name else ""
        return [
            item
            for key in dict.fromkeys([*a, *b])
            for item in compare_facts(f"{prefix}{key}", a.get(key, "absent"), b.get(key, "absent"))
        ]
    return [compare_exact(name, _text(keras), _text(torch))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def parameters(trace: Trace) -> list[str]:
    """Returns the names of the parameters, in the order of the layers."""
    return list(trace.facts["structure"]["parameters"])


def lengths(keras: Trace, torch: Trace) -> tuple[int, int]:
    """Returns how many epochs each half has trained."""
    return len(keras.history["learning_rate"]), len(torch.history["learning_rate"])


def parting(keras: Trace, torch: Trace) -> int | None:
    """Returns the first epoch, from 0, with different rates or in one half only; or None."""
    rates = zip_longest(*(half.history["learning_rate"] for half in (keras, torch)))
    return next((epoch for epoch, (a, b) in enumerate(rates) if a != b), None)
