"""Trajectory: weights and losses of a whole training, or of the few steps of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.errors import RunError
from parity.ladder.compare import absolute_difference, compare_close, compare_exact
from parity.ladder.comparers.anchors import of_anchors
from parity.ladder.comparers.probe import (
    HELD_OTHERWISE,
    NO_OPTIMIZER,
    measured,
    no_loss,
    raised,
    within_rounding,
)
from parity.ladder.comparers.run import lengths, parameters, parting
from parity.ladder.outcome import Outcome, judged, judged_if_any, skipped
from parity.ladder.recorded import close, held_otherwise
from parity.ladder.rounding import allowed, limits_of
from parity.ladder.tolerance import FLOAT64, WHOLE_RUN

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace) -> Outcome:
    """Compares weights at recorded steps, the running loss of every step, the history of epochs.

    It compares as long as both halves have the same learning rate: later differences belong to the
    schedule. A run with anchors is compared from these.
    """
    num_trained = lengths(keras, torch)
    if num_trained[0] != num_trained[1] and keras.spec["early_stopping"] is None:
        return judged(WHOLE_RUN, [compare_exact("epochs", *num_trained)])
    losses = [half["running_loss"] for half in (keras, torch)]
    steps = [length * keras.facts["steps_per_epoch"] for length in num_trained]
    unfit = [
        half.directory
        for half, loss, number in zip((keras, torch), losses, steps, strict=True)
        if loss.shape != (number,)
    ]
    if unfit:
        if losses[0].shape == losses[1].shape:  # otherwise the shapes are the finding
            raise RunError(
                f"{unfit[0]}: the number of running losses does not match the epochs; run it again"
            )
        items = [compare_close("running loss", *losses, allowed=0.0)]
        return judged(WHOLE_RUN, items)
    if "anchors" in keras.facts:
        return of_anchors(keras, torch)
    other = parting(keras, torch)
    num_epochs = min(num_trained) if other is None else other
    last_step = num_epochs * keras.facts["steps_per_epoch"]
    items = [
        _worst_weight(keras, torch, step)
        for step in sorted({*keras.numbers("trajectory"), *torch.numbers("trajectory")})
        if 0 < step <= last_step
    ]
    items += _running_losses(keras, torch, num_epochs)
    for epoch in range(num_epochs):
        step = (epoch + 1) * keras.facts["steps_per_epoch"]
        items += [
            compare_close(
                key,
                keras.history[key][epoch],
                torch.history[key][epoch],
                allowed=FLOAT64,
                scaled=True,
                epoch=epoch,
                step=step,
            )
            for key in ("loss", "accuracy", "val_loss", "val_accuracy")
        ]
    source = WHOLE_RUN
    if other is not None:
        source += f"; not compared from epoch {other + 1} on, where the schedules differ"
    if not items and other is not None:  # the rates differ from the first epoch
        return skipped(source)
    return judged(source, items)


def _worst_weight(keras: Trace, torch: Trace, step: int) -> Item:
    items = [
        compare_close(
            name,
            keras[f"trajectory/{step}/{name}"],
            torch[f"trajectory/{step}/{name}"],
            allowed=FLOAT64,
            scaled=True,
            epoch=(step - 1) // keras.facts["steps_per_epoch"],
            step=step,
        )
        for name in parameters(keras)
    ]
    return max(items, key=lambda item: item.worst)


def _running_losses(keras: Trace, torch: Trace, num_epochs: int) -> Iterator[Item]:
    """Returns one item per epoch: the first step above the limit, else the closest to it."""
    steps_per_epoch = keras.facts["steps_per_epoch"]
    a, b = (half["running_loss"][: num_epochs * steps_per_epoch] for half in (keras, torch))
    difference = absolute_difference(a, b)
    difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 1))
    for epoch in range(num_epochs):
        rows = slice(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
        above = np.flatnonzero(difference[rows] > FLOAT64)
        row = rows.start + int(above[0] if above.size else difference[rows].argmax())
        yield compare_close(
            "running loss",
            a[row],
            b[row],
            allowed=FLOAT64,
            scaled=True,
            epoch=epoch,
            step=row + 1,
        )


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares losses and weights of a few training steps; the last batch has one sample."""
    if keras.facts.get("own_steps") or keras.facts.get("outputs"):
        return skipped(no_loss(keras))
    if keras.facts["loss"] is None or keras.facts["optimizer"] is None:
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
    for step in range(1, len(losses) + 1):
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
