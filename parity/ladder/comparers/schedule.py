"""Schedule: the learning rates, and the last epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.probe_inputs import SCHEDULE_STEPS
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import LEARNING_RATE, NO_OPTIMIZER, raised
from parity.ladder.comparers.run import lengths, parameters, parting
from parity.ladder.outcome import Outcome, judged, judged_if_any, skipped
from parity.ladder.tolerance import EXACT, Tolerance

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace

# A schedule in float32 makes a few operations with numbers as large as its largest rate: four
# units in the last place of that. Near the end of a cosine, where the rate is small, that is much.
MOST_RATE_ROUNDING = 4 * 2.0**-23


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Compares the learning rate of every epoch, and the number of epochs."""
    a, b = keras.history["learning_rate"], torch.history["learning_rate"]
    other = parting(keras, torch)
    num_epochs, source = min(len(a), len(b)), EXACT
    is_noise = False
    if other is not None and tolerance.may_part(other):
        num_epochs, is_noise = other, True
        source += f"; from epoch {other + 1} on rounding decides when rates are cut or training "
        source += "ends"
    items = [compare_exact("learning_rate", a[e], b[e], epoch=e) for e in range(num_epochs)]
    if not is_noise:
        items.append(compare_exact("epochs", *lengths(keras, torch)))
        items += _restored(keras, torch, tolerance)
    return judged(source, items)


def _restored(keras: Trace, torch: Trace, tolerance: Tolerance) -> list[Item]:
    """Compares the final weights, if early stopping may restore earlier ones.

    It skips them if rounding may decide which epoch was the best.
    """
    if keras.spec["early_stopping"] is None or tolerance.may_part(lengths(keras, torch)[0]):
        return []
    last = max(keras.numbers("trajectory"))
    return [
        compare_close(
            f"{name} (restored)",
            keras[f"restored/{name}"],
            torch[f"restored/{name}"],
            allowed=tolerance.weights(last),
            scaled=tolerance.scaled,
            step=last,
        )
        for name in parameters(keras)
    ]


def of_probe(keras: Trace, port: Trace) -> Outcome:
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
                "epoch at which training stops",
                _epoch_text(keras["schedule/stopped"]),
                _epoch_text(port["schedule/stopped"]),
            )
        )
    left = facts.get("not_compared") or []
    source = f"relative {LEARNING_RATE:g}, since Keras keeps the rate in float32"
    return judged_if_any(
        source + (f"; not compared: {', '.join(map(str, left))}" if left else ""), items
    )


def _epoch_text(stopped: np.ndarray) -> str:
    """Returns the epoch at which training stops, from 1; arrays count from 0, and -1 is never."""
    return str(int(stopped) + 1) if stopped >= 0 else "never"


def _rates(keras: Trace, theirs: np.ndarray, ours: np.ndarray, unit: str) -> Iterator[Item]:
    exact = keras["schedule/exact"] if unit == "step" and "schedule/exact" in keras else theirs
    most = MOST_RATE_ROUNDING * float(np.abs(theirs).max(initial=0.0))
    for number in range(min(len(theirs), len(ours))):
        # Powers and cosines in float32 are inaccurate by more than the last bit.
        rounding = min(abs(float(exact[number] - theirs[number])), most)
        rounding /= abs(float(theirs[number])) or 1.0
        place: dict[str, Any] = {unit: SCHEDULE_STEPS[number] if unit == "step" else number}
        yield compare_close(
            "learning_rate",
            theirs[number],
            ours[number],
            allowed=LEARNING_RATE + 2 * rounding,
            unit="rel",
            **place,
        )
