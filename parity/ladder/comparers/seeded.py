"""A port that draws its own random numbers: weights, order and masks, number by number.

Each function takes what the Keras half wrote before its training, and the training of the port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.initial_weights import drawn_tolerance
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.tolerance import EXACT

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def order(keras: Trace, torch: Trace) -> Outcome:
    """Compares the order of the samples in an epoch."""
    if "seeded/order" not in torch:
        return skipped("the port gets the batches that Keras was fed")
    items = [compare_exact("order of the samples", keras["order"], torch["seeded/order"], step=0)]
    return judged(EXACT, items)


def weights(keras: Trace, torch: Trace) -> Outcome:
    """Compares the initial weights that both halves have drawn."""
    items = []
    for name in keras.below("start"):
        if f"seeded/init/{name}" in torch:
            theirs, ours = keras[f"start/{name}"], torch[f"seeded/init/{name}"]
            how = keras.facts.get("initializers", {}).get(name)
            if allowed := drawn_tolerance(how, theirs.shape, str(theirs.dtype)):
                items.append(compare_close(name, theirs, ours, allowed=allowed, step=0))
            else:
                items.append(compare_exact(name, theirs, ours, step=0))
    is_rounded = any(item.allowed for item in items)
    rounded = "; of orthogonal matrices, what a decomposition rounds" if is_rounded else ""
    return judged(EXACT + rounded, items)


def masks(keras: Trace, torch: Trace) -> Outcome:
    """Compares the generators of masks before the first step."""
    nodes = keras.facts["nodes"]
    dropouts = {node["name"].partition("#")[0] for node in nodes if node["kind"] == "dropout"}
    items = []
    for name, state in keras.facts["masks"].items():
        if name in dropouts:
            drawn = f"seeded/masks/{name}" in torch
            ours = torch[f"seeded/masks/{name}"] if drawn else "drawn by no layer of torch_impl"
            what = f"generator of {name}'s masks"
            items.append(compare_exact(what, np.array(state, np.int64), ours, step=0))
    if not items:
        return skipped("Keras draws no masks", applies=False)
    return judged(EXACT, items)
