"""How the loss of each of several outputs counts in the total, from the gradient by that output.

Both traces go in. If the port's gradient is a multiple of Keras's, the loss is Keras's with another
weight; else it is another loss. By this the items of the level "loss" are put into groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.loss_items import GRADIENT, output_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parity.ladder.items import Item
    from parity.traces.trace import Trace

SAME = 1e-6  # relative: a weight of a loss that a port keeps in float32 is off by 6e-8


def by_output(items: Sequence[Item], keras: Trace, port: Trace) -> list[tuple[Item, ...]]:
    """Returns the items of the level "loss" that show a divergence each.

    Outputs whose loss is another one show one each. If all are Keras's with other weights, this is
    one together. What is about all outputs belongs to the first.

    Args:
        items: that fail.
        keras: the results of Keras.
        port: the results of the port.
    """
    factors = factors_of(keras, port)
    found: dict[str, list[Item]] = {}
    rest = []
    for item in items:
        if name := output_of(item.name):
            found.setdefault(name, []).append(item)
        else:
            rest.append(item)
    weighted, groups = [], []
    for name, own in found.items():
        is_weight = factors.get(name) is not None and all(
            item.name.startswith(GRADIENT) for item in own
        )
        if is_weight:
            weighted += own
        else:
            groups.append(own)
    if weighted:
        groups.append(weighted)
    if not groups:
        return [tuple(rest)] if rest else []
    groups[0] = [*groups[0], *rest]
    return [tuple(group) for group in groups]


def factors_of(keras: Trace, port: Trace) -> dict[str, float | None]:
    """Returns which multiple of Keras's gradient by each output the port's is; None: it is none."""
    found: dict[str, float | None] = {}
    for each in keras.facts.get("outputs") or []:
        key = f"loss/confident/gradient/{each['name']}"
        theirs, ours = array_in(keras, key), array_in(port, key)
        if theirs is None or ours is None or theirs.shape != ours.shape or not theirs.any():
            continue
        factor = float((theirs * ours).sum() / (theirs * theirs).sum())
        rest = float(np.abs(ours - factor * theirs).max())
        is_multiple = rest <= SAME * max(float(np.abs(ours).max()), abs(factor))
        found[str(each["name"])] = factor if is_multiple else None
    return found


def lacks_a_loss(keras: Trace, port: Trace) -> bool:
    """Whether the port has no loss for an output that has one in Keras."""
    factors = factors_of(keras, port).values()
    return any(factor is not None and abs(factor) < SAME for factor in factors)


def array_in(trace: Trace, key: str) -> np.ndarray | None:
    """Returns an array of a trace, or None."""
    return trace[key] if key in trace else None  # noqa: SIM401  # it has no `get`
