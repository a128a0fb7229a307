"""Trajectory: weights and losses of a whole training, or of the few steps of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.errors import RunError
from parity.ladder.compare import absolute_difference, compare_close, compare_exact
from parity.ladder.comparers.probe import (
    HELD_OTHERWISE,
    MEASURED,
    NO_OPTIMIZER,
    WITHIN_ROUNDING_IN_TRAINING,
    raised,
)
from parity.ladder.comparers.run import lengths, parameters, parting
from parity.ladder.outcome import Outcome, judged, judged_if_any, skipped
from parity.ladder.recorded import close, held_otherwise
from parity.ladder.rounding import MOST_IN_TRAINING, allowed

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.ladder.tolerance import Tolerance
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Compares weights at recorded steps, the running loss of every step, the history of epochs.

    It compares as long as both halves have the same learning rate: later differences belong to the
    schedule.
    """
    num_trained = lengths(keras, torch)
    if num_trained[0] != num_trained[1] and keras.spec["early_stopping"] is None:
        return judged(tolerance.tolerance_source, [compare_exact("epochs", *num_trained)])
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
        return judged(tolerance.tolerance_source, items)
    other = parting(keras, torch)
    num_epochs = min(num_trained) if other is None else other
    last_step = num_epochs * keras.facts["steps_per_epoch"]
    items = [
        _worst_weight(keras, torch, step, tolerance)
        for step in sorted({*keras.numbers("trajectory"), *torch.numbers("trajectory")})
        if 0 < step <= last_step
    ]
    items += _running_losses(keras, torch, num_epochs, tolerance)
    for epoch in range(num_epochs):
        step = (epoch + 1) * keras.facts["steps_per_epoch"]
        items += [
            compare_close(
                key,
                keras.history[key][epoch],
                torch.history[key][epoch],
                allowed=tolerance.history(key, epoch),
                scaled=tolerance.scaled,
                epoch=epoch,
                step=step,
            )
            for key in ("loss", "accuracy", "val_loss", "val_accuracy")
        ]
    source = tolerance.tolerance_source
    if other is not None:
        source += f"; not compared from epoch {other + 1} on, where the schedules differ"
    if not items and other is not None:  # the rates differ from the first epoch
        return skipped(source)
    return judged(source, items)


def _worst_weight(keras: Trace, torch: Trace, step: int, tolerance: Tolerance) -> Item:
    items = [
        compare_close(
            name,
            keras[f"trajectory/{step}/{name}"],
            torch[f"trajectory/{step}/{name}"],
            allowed=tolerance.weights(step),
            scaled=tolerance.scaled,
            epoch=(step - 1) // keras.facts["steps_per_epoch"],
            step=step,
        )
        for name in parameters(keras)
    ]
    return max(items, key=lambda item: item.worst)


def _running_losses(
    keras: Trace, torch: Trace, num_epochs: int, tolerance: Tolerance
) -> Iterator[Item]:
    """Returns one item per epoch: the first step above the limit, else the closest to it."""
    steps_per_epoch = keras.facts["steps_per_epoch"]
    a, b = (half["running_loss"][: num_epochs * steps_per_epoch] for half in (keras, torch))
    steps = np.arange(1, len(a) + 1)
    allowed = tolerance.running_loss(steps)
    difference = absolute_difference(a, b)
    if tolerance.scaled:
        difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 1))
    with np.errstate(over="ignore", invalid="ignore"):
        excess = difference / np.maximum(allowed, np.finfo(float).tiny)
    for epoch in range(num_epochs):
        rows = slice(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
        above = np.flatnonzero(difference[rows] > allowed[rows])
        row = rows.start + int(above[0] if above.size else excess[rows].argmax())
        yield compare_close(
            "running loss",
            a[row],
            b[row],
            allowed=float(allowed[row]),
            scaled=tolerance.scaled,
            epoch=epoch,
            step=row + 1,
        )


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares losses and weights of a few training steps; the last batch has one sample."""
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
            if item.allowed > MOST_IN_TRAINING and item.agrees:
                not_compared[f"{weight} in training"] = WITHIN_ROUNDING_IN_TRAINING
            else:
                items.append(item)
    return judged_if_any(MEASURED, items + raised(port, "trajectory"), not_compared.items())
