"""Optimizer: its settings, its state, and the weights after its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import AVERAGE, CUT_BEFORE
from parity.ladder import own_steps
from parity.ladder.compare import compare_close
from parity.ladder.comparers.own_optimizers import optimizer_items
from parity.ladder.comparers.probe import (
    CONSTANT_RATE,
    HELD_OTHERWISE,
    NO_OPTIMIZER,
    changes_rate,
    measured,
    raised,
)
from parity.ladder.outcome import Outcome, judged_if_any, skipped
from parity.ladder.recorded import compare_recorded, held_otherwise
from parity.ladder.tolerance import LEARNING_RATE, MOST_RATE_ROUNDING

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares the optimizer alone, with gradients from 1e-9 to 10 and a rate reduced midway.

    What differs only behind the reduction is no fault of a program whose rate never changes.
    """
    own = []
    if own_steps.is_compared(keras, port):
        own = list(optimizer_items(keras, port))
    has_one = keras.facts["optimizer"] is not None and port.facts["given"]["optimizer"]
    if own and not has_one:
        return judged_if_any(measured(keras), own)
    if keras.facts["optimizer"] is None:
        return skipped("the Keras model has no optimizer")
    if not port.facts["given"]["optimizer"]:
        return skipped(NO_OPTIMIZER)
    items = own + raised(port, "optimizer")
    if "optimizer/learning_rate" in port:
        items += _rates(keras, port)
    not_compared: dict[str, str] = {}
    unknown, is_constant = held_otherwise(keras, port), not changes_rate(keras, port)
    for key in _by_step(port, "optimizer"):
        step, _, what = key.partition("/")
        kind, _, weight = what.partition("/")
        if own and weight not in own_steps.weights_of_compiled(keras):
            continue
        if weight in unknown:
            not_compared[f"steps of {weight}"] = HELD_OTHERWISE
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


def _rates(keras: Trace, port: Trace) -> Iterator[Item]:
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


def _by_step(port: Trace, prefix: str) -> list[str]:
    keys = [key for key in port.below(prefix) if key.partition("/")[0].isdigit()]
    return sorted(keys, key=lambda key: (int(key.partition("/")[0]), "/weights/" not in f"/{key}"))
