"""Schedule: the learning rates of a probe, and the last epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.probe_inputs import SCHEDULE_STEPS, rule_sequences
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import (
    NO_OPTIMIZER,
    raised,
)
from parity.ladder.items import Outcome, judged_if_any, skipped
from parity.ladder.rounding import LEARNING_RATE, MOST_RATE_ROUNDING, dtype_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the learning rate of steps and epochs, and the epoch at which training stops."""
    facts = keras.facts["schedule"]
    if facts["kind"] is None and not facts["callbacks"]:
        return skipped("Keras has no schedule and no callback", applies=False)
    given = port.facts["given"]
    if not given["optimizer"]:
        return skipped(NO_OPTIMIZER)
    items = raised(port, "schedule")
    for key, unit in (("schedule/steps", "step"), ("schedule/epochs", "epoch")):
        if key in keras and key in port:
            items += _rates(keras, keras[key], port[key], unit)
    if "schedule/stopped" in keras and "schedule/stopped" in port:
        items.append(
            compare_exact(
                STOPS,
                _epoch_text(keras["schedule/stopped"]),
                _epoch_text(port["schedule/stopped"]),
            )
        )
    items += _decisions(keras, port)
    left = facts.get("not_compared") or []
    source = f"relative {LEARNING_RATE:g}, since Keras keeps the rate in float32"
    return judged_if_any(
        source + (f"; not compared: {', '.join(map(str, left))}" if left else ""), items
    )


STOPS, KEEPS = "epoch at which training stops", "epoch whose weights are kept"


def _decisions(keras: KerasTrace, port: PortTrace) -> Iterator[Item]:
    """Compares what rules decide in each of the sequences that tell them apart."""
    key, rates = "schedule/decisions", "schedule/rule_rates"
    if key not in keras or key not in port:
        return
    rules = [each for each in keras.facts["schedule"]["callbacks"] if "monitor" in each]
    names = list(rule_sequences(int(keras.spec["seed"]), rules))
    for name, theirs, ours in zip(names, keras[key], port[key], strict=False):
        yield compare_exact(f"{STOPS} ({name})", *(_epoch_text(row[0]) for row in (theirs, ours)))
        if theirs[0] == ours[0]:
            kept = (_epoch_text(row[1]) for row in (theirs, ours))
            yield compare_exact(f"{KEEPS} ({name})", *kept)
    if rates not in keras or rates not in port:
        return
    for name, theirs, ours in zip(names, keras[rates], port[rates], strict=False):
        both = (theirs > _LEAST_RATE) & (ours != 0)
        theirs, ours = theirs[both], ours[both]
        # Keras rounds the rate to float32 at every change of it, and a port may not.
        changes = 1 + np.count_nonzero(np.diff(theirs))
        yield compare_close(
            f"learning_rate ({name})",
            np.ones(len(theirs)),
            ours / theirs,
            allowed=LEARNING_RATE * changes,
            unit="rel",
        )


_LEAST_RATE = 1e-30  # below it, float32 has fewer digits


def _epoch_text(stopped: float | np.ndarray) -> str:
    """Returns the epoch at which training stops, from 1; arrays count from 0, and -1 is never."""
    return str(int(stopped) + 1) if stopped >= 0 else "never"


def _rates(keras: KerasTrace, theirs: np.ndarray, ours: np.ndarray, unit: str) -> Iterator[Item]:
    is_step = unit == "step"
    exact = keras["schedule/exact"] if is_step and "schedule/exact" in keras else theirs
    if is_step and "schedule/compiled" in keras:
        theirs = _nearer(ours, theirs, keras["schedule/compiled"])
    most = MOST_RATE_ROUNDING * float(np.abs(theirs).max(initial=0.0))
    # A port in float32 may round the rate at every change, as Keras's variable does then.
    changes = np.cumsum(np.diff(theirs, prepend=theirs[:1]) != 0)
    of_change = float(np.finfo(np.float32).eps) if dtype_of(keras.facts) == "float32" else 0.0
    for number in range(min(len(theirs), len(ours))):
        # Powers and cosines in float32 are inaccurate by more than the last bit.
        is_known = not is_step or keras.facts["schedule"].get("exact_known", True)
        rounding = min(abs(float(exact[number] - theirs[number])), most) if is_known else most
        rounding /= abs(float(theirs[number])) or 1.0
        place: dict[str, Any] = {unit: SCHEDULE_STEPS[number] if unit == "step" else number}
        yield compare_close(
            "learning_rate",
            theirs[number],
            ours[number],
            allowed=LEARNING_RATE + 2 * rounding + int(changes[number]) * of_change,
            unit="rel",
            **place,
        )


def _nearer(ours: np.ndarray, called: np.ndarray, compiled: np.ndarray) -> np.ndarray:
    """Returns of two rates of Keras's the one that is nearer to the port's, step by step.

    `fit` has the compiled rates, which differ from those of the formula by rounding; at a stair by
    a step. A port may have either.
    """
    size = min(len(ours), len(called))
    ours, called, compiled = ours[:size], called[:size], compiled[:size]
    return np.where(np.abs(ours - compiled) < np.abs(ours - called), compiled, called)
