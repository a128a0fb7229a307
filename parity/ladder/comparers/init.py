"""Initial weights: the same numbers in a run, the same distributions in a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.comparers.run import parameters
from parity.ladder.initial_weights import compare_draws
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.tolerance import EXACT, Tolerance

if TYPE_CHECKING:
    from parity.traces.bundle import Bundle
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Initial weights, in float64 and in the dtype of the run."""
    items = [
        compare_exact(name, keras[f"{prefix}/{name}"], torch[f"{prefix}/{name}"], step=0)
        for prefix in ("init", "trajectory/0")
        for name in parameters(keras)
    ]
    return judged(EXACT, items)


def of_probe(bundle: Bundle, port: Trace) -> Outcome:
    """Whether both halves draw initial weights from the same distributions."""
    if port.facts["given"]["load"]:
        return skipped("the port loads Keras's weights")
    items = [
        compare_draws(
            weight,
            bundle[key],
            port[key],
            bundle.facts["initializers"].get(weight),
            bundle.facts["weights"][weight]["shape"],
        )
        for weight in bundle.facts["weights"]
        if (key := f"init/{weight}") in port
    ]
    if not items:
        return skipped("no weight has a partner")
    return judged(
        "Constants are equal, bounds are kept, and distributions are alike (Kolmogorov-Smirnov).",
        items,
    )
