"""Shared parts of the comparers of a probe: limits, reasons, errors of the port, changing rates."""

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
    f"in the last place of the weights and of float32 constants changes in Keras, up to {MOST:g}"
)
LEARNING_RATE = 1.2e-7  # relative: Keras keeps the rate in float32
NO_LOSS = "the Keras model has no single loss"
_AGREES = "it agrees, but rounding may change it by more than {:g} of its size"
WITHIN_ROUNDING = _AGREES.format(MOST)
WITHIN_ROUNDING_IN_TRAINING = _AGREES.format(MOST_IN_TRAINING)
HELD_OTHERWISE = "the port's `load` keeps it in another form"
NO_OPTIMIZER = "the port gives no optimizer"
CONSTANT_RATE = (
    "the optimizers differ there, but nothing that the check was given changes the rate; if `fit` "
    "gets a callback that does, give it to Reference, and see `parity explain F5`"
)


def raised(port: Trace, stage: str) -> list[Item]:
    """Returns an item that fails if the port raised where Keras did not."""
    error = port.facts["raised"].get(stage)
    return [] if error is None else [compare_exact(f"{stage} raises", "nothing", str(error))]


def changes_rate(keras: Trace, port: Trace) -> bool:
    """Whether a schedule or a callback of either half may change the learning rate."""
    facts = keras.facts["schedule"]
    callbacks = [callback["class"] for callback in facts["callbacks"]]
    return (
        facts["kind"] is not None
        or bool(facts.get("not_compared"))  # a callback of the user's own
        or any(name != "EarlyStopping" for name in callbacks)
        or bool(port.facts["given"]["scheduler"])
    )
