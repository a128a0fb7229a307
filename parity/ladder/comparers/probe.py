"""Shared parts of the comparers of a probe: limits, reasons, and errors that the port raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.compare import compare_exact
from parity.ladder.rounding import MOST, MOST_IN_TRAINING
from parity.ladder.tolerance import FLOAT64, NOISE_FACTOR

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace

MEASURED = (
    f"float64, relative to the largest value: {FLOAT64:g}, or {NOISE_FACTOR:g} times what one unit "
    f"in the last place of the weights changes in Keras, up to {MOST:g}"
)
LEARNING_RATE = 1.2e-7  # relative: Keras keeps the rate in float32
NO_LOSS = "the Keras model has no single loss"
_AGREES = "it agrees, but rounding may change it by more than {:g} of its size"
WITHIN_ROUNDING = _AGREES.format(MOST)
WITHIN_ROUNDING_IN_TRAINING = _AGREES.format(MOST_IN_TRAINING)
HELD_OTHERWISE = "the port's `load` keeps it in another form"
NO_OPTIMIZER = "the port gives no optimizer"


def raised(port: Trace, stage: str) -> list[Item]:
    """Returns an item that fails if the port raised where Keras did not."""
    error = port.facts["raised"].get(stage)
    return [] if error is None else [compare_exact(f"{stage} raises", "nothing", str(error))]
