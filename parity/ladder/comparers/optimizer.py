"""Optimizer and trajectory: settings, state, and weights after the steps of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import AVERAGE, CUT_BEFORE
from parity.ladder import custom_steps
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import (
    CONSTANT_RATE,
    IN_OTHER_FORM,
    NO_LOSS,
    NO_OPTIMIZER,
    changes_rate,
    measured,
    no_loss,
    raised,
    within_rounding,
)
from parity.ladder.custom_steps import MOVED, STEPS, optimizers_of, pairs, weights_text
from parity.ladder.items import Outcome, judged_if_any, skipped
from parity.ladder.recorded import compare_recorded, unplaced, weights_after, weights_in_other_form
from parity.ladder.rounding import LEARNING_RATE, MOST_RATE_ROUNDING, allowed_loss, limits_of

if TYPE_CHECKING:
    from parity.ladder.custom_steps import Optimizer
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --- The optimizers of steps by the code of both halves: how often each moves which weights -------


def optimizer_items(keras: KerasTrace, port: PortTrace) -> Iterator[Item]:
    """Yields how often each optimizer moves which weights in one step."""
    if not optimizers_of(port):
        return
    for theirs, ours in pairs(keras, port):
        name = theirs.name if theirs is not None else "another optimizer of the port"
        numbers = [0 if each is None else each.num_steps for each in (theirs, ours)]
        yield compare_exact(f"{name}{STEPS}", *numbers)
        if theirs is not None and ours is not None:
            yield compare_exact(f"{name}{MOVED}", *_moved(theirs, ours, set(port.facts["weights"])))


def _moved(theirs: Optimizer, ours: Optimizer, known: set[str]) -> tuple[str, str]:
    """Returns which weights two optimizers move, in words that are equal if these are the same."""
    some = f"{len(theirs.weights)} weights"
    lacking = sorted(theirs.weights & known - ours.weights)
    added = sorted(ours.weights - theirs.weights)
    parts = [f"not {weights_text(lacking)}"] if lacking else []
    parts += [f"also {weights_text(added)}"] if added else []
    return some, "; ".join(parts) or some


# --- Optimizer: its settings, its state, and the weights after its steps --------------------------


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the optimizer alone, with gradients from 1e-9 to 10 and a rate reduced midway.

    What differs only behind the reduction is no fault of a program whose rate never changes.
    """
    step_items = []
    if custom_steps.is_compared(keras, port):
        step_items = list(optimizer_items(keras, port))
    has_one = keras.facts["optimizer"] is not None and port.facts["given"]["optimizer"]
    if step_items and not has_one:
        return judged_if_any(measured(keras), step_items)
    if keras.facts["optimizer"] is None:
        return skipped("the Keras model has no optimizer")
    if not port.facts["given"]["optimizer"]:
        return skipped(NO_OPTIMIZER)
    items = step_items + raised(port, "optimizer")
    if "optimizer/learning_rate" in port:
        items += _rates(keras, port)
    not_compared: dict[str, str] = {}
    unknown, is_constant = weights_in_other_form(keras, port), not changes_rate(keras, port)
    for key in _by_step(port, "optimizer"):
        step, _, what = key.partition("/")
        kind, _, weight = what.partition("/")
        if step_items and weight not in custom_steps.weights_of_compiled(keras):
            continue
        if weight in unknown:
            not_compared[f"steps of {weight}"] = IN_OTHER_FORM
            continue
        label = weight if kind == "weights" else f"{weight}.{kind}"
        place = theirs = f"optimizer/{key}"
        if place not in keras:  # an average of the port's, where Keras ends with the weights
            theirs = averaged_weight(place)
        item = compare_recorded(keras, theirs, port[place], label, step=int(step))
        if is_constant and int(step) >= CUT_BEFORE and not item.agrees:
            not_compared["steps after a cut of the rate"] = CONSTANT_RATE
        else:
            items.append(item)
    return judged_if_any(measured(keras), items, not_compared.items())


def averaged_weight(key: str) -> str:
    """Returns the key of the weight that an average is of."""
    return key.replace(f"/{AVERAGE}/", "/weights/")


def _rates(keras: KerasTrace, port: PortTrace) -> Iterator[Item]:
    theirs, ours = (half["optimizer/learning_rate"] for half in (keras, port))
    # A schedule in the step of a port's optimizer is its own, also here. Keras's is in float32.
    is_scheduled = keras.facts["schedule"]["kind"] is not None
    most = MOST_RATE_ROUNDING * float(np.abs(theirs).max(initial=0.0)) if is_scheduled else 0.0
    for number in range(min(len(ours), len(theirs))):
        allowed = LEARNING_RATE + most / (abs(float(theirs[number])) or 1.0)
        yield compare_close(
            "learning_rate",
            theirs[number],
            ours[number],
            allowed=allowed,
            unit="rel",
            step=number + 1,
        )


def _by_step(port: PortTrace, prefix: str) -> list[str]:
    keys = [key for key in port.below(prefix) if key.partition("/")[0].isdigit()]
    return sorted(keys, key=lambda key: (int(key.partition("/")[0]), "/weights/" not in f"/{key}"))


# --- Trajectory: weights and losses of the few steps of a probe -----------------------------------


_DIVERGES = (
    "Keras's training diverges there: its loss or weights are no finite numbers any more, and "
    "whether they are infinite or NaN is decided by the order of operations; lower the learning "
    "rate for the check"
)


def trajectory_of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
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
    unknown = weights_in_other_form(keras, port)
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
                not_compared[f"{weight} in training"] = IN_OTHER_FORM
            elif is_decided:
                not_compared[f"{weight} in training"] = within_rounding(most_allowed)
            else:
                items.append(after)
    return judged_if_any(measured(keras), items + raised(port, "trajectory"), not_compared.items())


def _num_compared(keras: KerasTrace, port: PortTrace) -> int:
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


def _is_finite(keras: KerasTrace, half: Trace, step: int, loss: np.ndarray) -> bool:
    """Whether the loss of a step, and all weights after it, are finite numbers in a half."""
    keys = [f"trajectory/{step}/{weight}" for weight in keras.facts["weights"]]
    arrays = [half[key] for key in keys if key in half]
    return all(np.isfinite(array).all() for array in (loss, *arrays))
