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
from parity.ladder.recorded import held_otherwise, unplaced, weights_after
from parity.ladder.rounding import allowed_loss, limits_of

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
    if why := unplaced(keras, port):
        return skipped(why)
    items = []
    not_compared: dict[str, str] = {}
    unknown = held_otherwise(keras, port)
    most_allowed = limits_of(keras).most_in_training
    losses = keras["trajectory/losses"]
    num_compared = _num_compared(keras, port)
    if num_compared < len(losses):
        not_compared[f"training from step {num_compared + 1} on"] = _DIVERGES
    for step in range(1, num_compared + 1):
        key = f"trajectory/loss/{step}"
        if key in port:
            most = allowed_loss(keras, step)
            item = compare_close(
                "loss", losses[step - 1], port[key], allowed=most, unit="rel", step=step
            )
            if most > most_allowed and item.agrees:
                not_compared[f"loss of step {step}"] = within_rounding(most_allowed)
            else:
                items.append(item)
        for weight, after, is_decided in weights_after(keras, port, step, unknown):
            if after is None:
                not_compared[f"{weight} in training"] = HELD_OTHERWISE
            elif is_decided:
                not_compared[f"{weight} in training"] = within_rounding(most_allowed)
            else:
                items.append(after)
    return judged_if_any(measured(keras), items + raised(port, "trajectory"), not_compared.items())


def _num_compared(keras: Trace, port: Trace) -> int:
    """Returns the number of steps before the first in which both trainings have diverged.

    A port that stays finite where Keras does not differs from it there.
    """
    losses = keras["trajectory/losses"]
    for step in range(1, len(losses) + 1):
        if not _is_finite(keras, keras, step, losses[step - 1]):
            loss = f"trajectory/loss/{step}"
            is_finite = loss in port and _is_finite(keras, port, step, port[loss])
            return step if is_finite else step - 1
    return len(losses)


def _is_finite(keras: Trace, half: Trace, step: int, loss: np.ndarray) -> bool:
    """Whether the loss of a step, and all weights after it, are finite numbers in a half."""
    keys = [f"trajectory/{step}/{weight}" for weight in keras.facts["weights"]]
    arrays = [half[key] for key in keys if key in half]
    return all(np.isfinite(array).all() for array in (loss, *arrays))
