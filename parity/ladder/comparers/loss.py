"""Loss: its value, its penalties, and its value for right and wrong outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.comparers.probe import measured, no_loss, raised
from parity.ladder.items import INTRODUCED
from parity.ladder.loss_items import BROADCAST, CONFIDENT, GRADIENT, OF_KERAS, of_output
from parity.ladder.outcome import Outcome, judged_if_any, skipped
from parity.ladder.recorded import close, compare_recorded, unplaced

if TYPE_CHECKING:
    from parity.ladder.items import Item
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
        items = [*_broadcast(port, items), *items]
        return judged_if_any(measured(keras), items, [("the loss of the model's outputs", why)])
    for name in names:
        if (key := f"loss/of/{name}") in port and key in keras:
            items.append(close(keras, port, key, of_output("loss", name)))
    if "loss/value" in port:
        items.append(close(keras, port, "loss/value", "loss"))
    return judged_if_any(measured(keras), [*_broadcast(port, items), *items])


def _broadcast(port: Trace, items: Sequence[Item]) -> Iterator[Item]:
    """Yields the shapes that the port's loss broadcasts, if it is not Keras's loss.

    A loss of pairs of samples broadcasts in both halves, and is the same.
    """
    shapes = port.facts.get("broadcast")
    if shapes and (port.facts.get("is_fed") or not all(item.agrees for item in items)):
        output, target = (str(tuple(shape)) for shape in shapes)
        both = f"an output {output} against targets"
        yield compare_exact(BROADCAST, f"{both} of its shape", f"{both} {target}")
