"""Loss and metrics: values, penalties, and what they say of given outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.comparers.probe import measured, no_loss, raised, within_rounding
from parity.ladder.custom_steps import is_compared
from parity.ladder.items import (
    BROADCAST,
    CONFIDENT,
    GRADIENT,
    INTRODUCED,
    NAME,
    OF_KERAS,
    PARTS,
    Outcome,
    judged_if_any,
    of_output,
    skipped,
)
from parity.ladder.recorded import close, compare_recorded, unplaced
from parity.ladder.rounding import limits_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace


# --- Loss: its value, its penalties, and its value for right and wrong outputs --------------------


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the loss of given right and wrong outputs, and of the model with its penalties."""
    if keras.facts["loss"] is None:
        return skipped(no_loss(keras))
    if not port.facts["given"]["loss"]:
        return skipped("the port gives no loss")
    items = raised(port, "loss")
    names = [each["name"] for each in keras.facts.get("outputs") or []]
    keys = {"loss/confident/value": CONFIDENT, "loss/confident/gradient": GRADIENT}
    for name in names:
        keys[f"loss/confident/of/{name}"] = of_output(CONFIDENT, name)
        keys[f"loss/confident/gradient/{name}"] = of_output(GRADIENT, name)
    items += [close(keras, port, key, label) for key, label in keys.items() if key in port]
    if "loss/own" in port:
        item = compare_recorded(keras, "loss/value", port["loss/own"], OF_KERAS)
        items.append(replace(item, role=INTRODUCED))
    if why := unplaced(keras, port):
        items = [*_broadcast(port, items), *items]
        return judged_if_any(measured(keras), items, [("the loss of the model's outputs", why)])
    for name in names:
        if (key := f"loss/of/{name}") in port and key in keras:
            items.append(close(keras, port, key, of_output("loss", name)))
    if "loss/value" in port:
        items.append(close(keras, port, "loss/value", "loss"))
    return judged_if_any(measured(keras), [*_broadcast(port, items), *items])


def _broadcast(port: PortTrace, items: Sequence[Item]) -> Iterator[Item]:
    """Yields the shapes that the port's loss broadcasts, if it is not Keras's loss.

    A loss of pairs of samples broadcasts in both halves, and is the same.
    """
    shapes = port.facts.get("broadcast")
    if shapes and not all(item.agrees for item in items):
        output, target = (str(tuple(shape)) for shape in shapes)
        both = f"an output {output} against targets"
        yield compare_exact(BROADCAST, f"{both} of its shape", f"{both} {target}")


# --- Metrics: what they say of given outputs, and of those of the model, after each batch ---------


CUSTOM_NUMBERS = "what the own steps return is compared with the loss"
# Keras returns some metrics in float32: one unit in the last place of each half.
RESULT_IN_FLOAT32 = 2 * 2.0**-23


def metrics_of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the names of the metrics, and what each says after one batch and after several."""
    if is_compared(keras, port):
        return skipped(CUSTOM_NUMBERS, applies=False)
    if keras.facts["loss"] is None:
        return skipped(no_loss(keras))
    probe = keras.facts.get("metric_probe")
    if probe is None:
        return skipped("the bundle has no metrics, since an older version recorded it")
    if why := probe.get("why"):
        return skipped(str(why))
    if not probe["names"]:
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


def _values(keras: KerasTrace, port: PortTrace) -> Iterator[tuple[Item, bool]]:
    """Yields an item for each metric and part, and whether rounding alone decides it."""
    probe, most = keras.facts["metric_probe"], limits_of(keras).most
    for part, ending in PARTS.items():
        for name in probe["names"]:
            key = f"metric/{part}/{name}"
            if key not in port or key not in keras:
                continue
            item = close(keras, port, key, f"{name}{ending}")
            if name in probe["float32"]:
                item = replace(item, allowed=max(item.allowed, RESULT_IN_FLOAT32))
            if item.index is not None:
                after = f"after batch {item.index[0] + 1}"
                item = replace(item, note=f"{after}; {item.note}" if item.note else "")
            yield item, float(keras.facts["noise"].get(key, 0.0)) > most and item.agrees
