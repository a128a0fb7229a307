"""Metrics: what they say of given outputs, and of those of the model, after each batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.comparers.probe import measured, no_loss, raised, within_rounding
from parity.ladder.metric_items import NAME, PARTS
from parity.ladder.outcome import Outcome, judged_if_any, skipped
from parity.ladder.own_steps import is_compared
from parity.ladder.recorded import close, unplaced
from parity.ladder.rounding import limits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from parity.ladder.items import Item
    from parity.traces.trace import Trace

OWN_NUMBERS = "what the own steps return is compared with the loss"
# Keras returns some metrics in float32: one unit in the last place of each half.
RESULT_IN_FLOAT32 = 2 * 2.0**-23


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares the names of the metrics, and what each says after one batch and after several."""
    if is_compared(keras, port):
        return skipped(OWN_NUMBERS, applies=False)
    if keras.facts["loss"] is None:
        return skipped(no_loss(keras))
    told = keras.facts.get("metric_probe")
    if told is None:
        return skipped("the bundle has no metrics, since an older version recorded it")
    if why := told.get("why"):
        return skipped(str(why))
    if not told["names"]:
        return skipped("the Keras model has no metrics", applies=False)
    items, left_out = raised(port, "metrics"), []
    why = unplaced(keras, port)
    for theirs, ours in (port.facts.get("metric_names") or {}).items():
        items.append(compare_exact(f"{NAME}{theirs}", theirs, ours))
    for item, is_decided in _values(keras, port):
        if why and not item.agrees and not item.name.endswith(PARTS["given"]):
            left_out.append((f"the metric {item.name}", why))
        elif is_decided:
            most = limits_of(keras).most
            left_out.append((f"the metric {item.name}", within_rounding(most)))
        else:
            items.append(item)
    return judged_if_any(measured(keras), items, left_out)


def _values(keras: Trace, port: Trace) -> Iterator[tuple[Item, bool]]:
    """Yields an item for each metric and part, and whether rounding alone decides it."""
    told, most = keras.facts["metric_probe"], limits_of(keras).most
    for part, ending in PARTS.items():
        for name in told["names"]:
            key = f"metric/{part}/{name}"
            if key not in port or key not in keras:
                continue
            item = close(keras, port, key, f"{name}{ending}")
            if name in told["float32"]:
                item = replace(item, allowed=max(item.allowed, RESULT_IN_FLOAT32))
            if item.index is not None:
                after = f"after batch {item.index[0] + 1}"
                item = replace(item, note=f"{after}; {item.note}" if item.note else "")
            yield item, float(keras.facts["noise"].get(key, 0.0)) > most and item.agrees
