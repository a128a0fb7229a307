"""Loss: its value, its penalties, and its value for right and wrong outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from parity.ladder.comparers.probe import measured, no_loss, raised
from parity.ladder.items import INTRODUCED
from parity.ladder.loss_items import CONFIDENT, GRADIENT, OF_KERAS, of_output
from parity.ladder.outcome import Outcome, judged_if_any, skipped
from parity.ladder.recorded import close, compare_recorded, unplaced

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def of_probe(keras: Trace, port: Trace) -> Outcome:
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
        own = compare_recorded(keras, "loss/value", port["loss/own"], OF_KERAS)
        items.append(replace(own, role=INTRODUCED))
    if why := unplaced(keras, port):
        return judged_if_any(measured(keras), items, [("the loss of the model's outputs", why)])
    for name in names:
        if (key := f"loss/of/{name}") in port and key in keras:
            items.append(close(keras, port, key, of_output("loss", name)))
    if "loss/value" in port:
        items.append(close(keras, port, "loss/value", "loss"))
    return judged_if_any(measured(keras), items)
