"""Gradient: of every parameter, in train mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import MEASURED, NO_LOSS, raised
from parity.ladder.comparers.run import parameters
from parity.ladder.outcome import Outcome, judged, judged_if_any, skipped
from parity.ladder.rounding import allowed
from parity.ladder.tolerance import FLOAT64, SEMANTIC, Tolerance

if TYPE_CHECKING:
    from parity.traces.bundle import Bundle
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """The gradient of every parameter in train mode."""
    items = [
        compare_close(
            name, keras[f"gradient/{name}"], torch[f"gradient/{name}"], allowed=FLOAT64, unit="rel"
        )
        for name in parameters(keras)
    ]
    return judged(SEMANTIC, items)


def of_probe(bundle: Bundle, port: Trace) -> Outcome:
    """The gradient of every parameter in train mode."""
    if bundle.facts["loss"] is None:
        return skipped(NO_LOSS)
    if (why := port.facts.get("no_loss")) is not None:
        return skipped(why)
    items = raised(port, "gradient")
    given = port.facts["given"]["loss"]
    weights = bundle.facts["weights"]
    for weight in port.facts["weights"]:
        key = f"gradient/{weight}"
        if key in port and key in bundle:
            theirs = bundle[key]
            if not given and f"penalty_{key}" in bundle:
                theirs = theirs - bundle[f"penalty_{key}"]
            most = allowed(bundle, key)
            items.append(compare_close(weight, theirs, port[key], allowed=most, unit="rel"))
        elif weight in weights and weights[weight]["trainable"] and not items:
            items.append(compare_exact(weight, "a gradient", "no gradient"))
    source = MEASURED if given else f"with Keras's loss without penalties; {MEASURED}"
    return judged_if_any(source, items)
