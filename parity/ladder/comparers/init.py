"""Initial weights: the same distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parity.ladder.initial_weights import (
    FALSE_ALARMS,
    compare_draws,
    is_drawn_constant,
    p_limit,
)
from parity.ladder.outcome import Outcome, judged, skipped

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Tests whether both halves draw initial weights from the same distributions."""
    if steps := keras.facts.get("trained_steps"):
        return skipped(
            f"the Keras factory returns a model that has made {steps:,} steps, whose weights no "
            "initialiser drew"
        )
    if file := keras.facts.get("model_file"):
        return skipped(f"the weights are those of {file}, and no initialiser drew them")
    weights = {
        name: (keras.facts["initializers"].get(name), entry["shape"])
        for name, entry in keras.facts["weights"].items()
        if f"init/{name}" in port
    }
    random = [name for name, how in weights.items() if not _is_constant(keras, name, how)]
    limit = p_limit(len(random))
    items = [
        compare_draws(name, keras[f"init/{name}"], port[f"init/{name}"], *how, limit)
        for name, how in weights.items()
    ]
    if not items:
        return skipped("no weight has a partner")
    source = "Constants are equal, bounds are kept, and distributions are alike"
    if random:
        source += (
            f" (p of each of {len(random)} random weights is at least {limit:.2g}: a right port "
            f"fails once in {1 / FALSE_ALARMS:,.0f} checks)"
        )
    return judged(source, items)


def _is_constant(keras: Trace, name: str, how: tuple[Any, Any]) -> bool:
    draws = keras[f"init/{name}"]
    return not draws.size or is_drawn_constant(draws, *how)
