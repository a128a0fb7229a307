"""Trajectory: weights and losses of the few steps of a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import compare_close
from parity.ladder.comparers.probe import (
    HELD_OTHERWISE,
    NO_LOSS,
    NO_OPTIMIZER,
    measured,
    no_loss,
    raised,
    within_rounding,
)
from parity.ladder.outcome import Outcome, judged_if_any, skipped
from parity.ladder.recorded import close, held_otherwise
from parity.ladder.rounding import allowed, limits_of

if TYPE_CHECKING:
    from parity.traces.trace import Trace

_DIVERGES = (
    "Keras's training diverges there: its loss or weights are no finite numbers any more, and "
    "whether they are infinite or NaN is decided by the order of operations; lower the learning "
    "rate for the check"
)


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares losses and weights of a few training steps; the last batch has one sample."""
    has_none = keras.facts["loss"] is None
    if has_none and (keras.facts.get("outputs") or no_loss(keras) != NO_LOSS):
        return skipped(no_loss(keras))
    if has_none or keras.facts["optimizer"] is None:
        return skipped("the Keras model is not compiled")
    if not port.facts["given"]["optimizer"]:
        return skipped(NO_OPTIMIZER)
    if (why := port.facts.get("no_loss")) is not None:
        return skipped(why)
    if not port.facts["given"]["loss"] and any(keras.names("penalty_gradient")):
        return skipped("the port gives no loss, and Keras's loss has penalties")
    items = []
    not_compared: dict[str, str] = {}
    unknown = held_otherwise(keras, port)
    most_allowed = limits_of(keras).most_in_training
    losses = keras["trajectory/losses"]
    num_finite = _num_finite(keras)
    if num_finite < len(losses):
        not_compared[f"training from step {num_finite + 1} on"] = _DIVERGES
    for step in range(1, num_finite + 1):
        key = f"trajectory/loss/{step}"
        if key in port:
            # Measured in relation to the largest loss; a loss that has fallen is as uncertain.
            own = abs(float(losses[step - 1])) or 1.0
            most = allowed(keras, "trajectory/losses")
            most *= max(1.0, keras.largest("trajectory/losses") / own)
            items.append(
                compare_close(
                    "loss", losses[step - 1], port[key], allowed=most, unit="rel", step=step
                )
            )
        for weight in keras.facts["weights"]:
            if (key := f"trajectory/{step}/{weight}") not in port:
                continue
            if weight in unknown:
                not_compared[f"{weight} in training"] = HELD_OTHERWISE
                continue
            item = close(keras, port, key, weight, step=step)
            if item.allowed > most_allowed and item.agrees:
                not_compared[f"{weight} in training"] = within_rounding(most_allowed)
            else:
                items.append(item)
    return judged_if_any(measured(keras), items + raised(port, "trajectory"), not_compared.items())


def _num_finite(keras: Trace) -> int:
    """Returns the number of steps before the first with a loss or weight that is not finite."""
    losses = keras["trajectory/losses"]
    for step in range(1, len(losses) + 1):
        keys = [f"trajectory/{step}/{weight}" for weight in keras.facts["weights"]]
        arrays = [keras[key] for key in keys if key in keras]
        if not all(np.isfinite(array).all() for array in (losses[step - 1], *arrays)):
            return step - 1
    return len(losses)
