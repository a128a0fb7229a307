"""What the comparers of a probe have in common: arrays of the port, and what it raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.rounding import MOST, allowed
from parity.ladder.tolerance import FLOAT64, NOISE_FACTOR

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.bundle import Bundle
    from parity.traces.trace import Trace

MEASURED = (
    f"float64, relative to the largest value: {FLOAT64:g}, or {NOISE_FACTOR:g} times what one unit "
    f"in the last place of the weights changes in Keras, up to {MOST:g}"
)
LEARNING_RATE = 1.2e-7  # relative: Keras keeps the rate in float32
NO_LOSS = "the Keras model has no single loss"
NO_OPTIMIZER = "the port gives no optimizer"


def raised(port: Trace, stage: str) -> list[Item]:
    """Returns an item that fails if the port raised where Keras did not."""
    error = port.facts["raised"].get(stage)
    return [] if error is None else [compare_exact(f"{stage} raises", "nothing", str(error))]


def close(bundle: Bundle, port: Trace, key: str, name: str, **place: Any) -> Item:
    """Compares an array of the port with Keras's, by what rounding may change in it."""
    theirs, ours = bundle[key], port[key]
    if theirs.dtype.kind in "iu" or ours.dtype.kind in "iu":  # tokens, which Keras makes floats of
        theirs, ours = theirs.astype(np.float64), ours.astype(np.float64)
    return compare_close(name, theirs, ours, allowed=allowed(bundle, key), unit="rel", **place)
