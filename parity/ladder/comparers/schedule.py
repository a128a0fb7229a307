"""Schedule: the learning rates, and the last epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.probe_inputs import SCHEDULE_STEPS
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import (
    NO_OPTIMIZER,
    raised,
)
from parity.ladder.comparers.run import lengths, parameters, parting
from parity.ladder.decisions import closest_call, decisions, told_call
from parity.ladder.outcome import Outcome, judged, judged_if_any, skipped
from parity.ladder.rounding import dtype_of
from parity.ladder.tolerance import EXACT, FLOAT64, LEARNING_RATE, MOST_RATE_ROUNDING
from parity.programs.run_spec import RunSpec

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace) -> Outcome:
    """Compares each half's rates, last epoch and restored weights with what the rules say.

    The rules are applied to that half's own losses. Where both halves have the same losses but for
    rounding in float64, they must also have decided alike.
    """
    spec = RunSpec.from_dict(keras.spec)
    items: list[Item] = []
    has_anchors = "anchors" in keras.facts
    if not has_anchors:
        items += _alike(keras, torch)
    for name, half in (("keras", keras), ("torch", torch)):
        items += _by_rule(spec, name, half)
    if not has_anchors:
        return judged(EXACT, items)
    source = f"{EXACT}; each half by the rules, from its own losses"
    if (told := _parted(spec, keras, torch)) is not None:
        source += f"; {told}"
    return judged(source, items)


def _by_rule(spec: RunSpec, name: str, half: Trace) -> Iterator[Item]:
    """Compares what a half did with what the rules say of its own history."""
    found = decisions(spec, half.history)
    rates, steps_per_epoch = half.history["learning_rate"], half.facts["steps_per_epoch"]
    for epoch, rate in enumerate(rates):
        yield compare_exact(
            f"learning_rate of {name} by the rule", found.rates[epoch], rate, epoch=epoch
        )
    yield compare_exact(f"epochs of {name} by the rule", found.num_epochs, len(rates))
    if "rates" in half:
        by_step = np.repeat(rates, steps_per_epoch)
        own = half["rates"]
        differs = np.flatnonzero(by_step != own) if by_step.shape == own.shape else np.array([])
        step = int(differs[0]) if differs.size else None
        place = {} if step is None else {"step": step, "epoch": step // steps_per_epoch}
        yield compare_exact(f"learning rates of {name}'s steps", by_step, own, **place)
    if spec.early_stopping is not None:
        last = (found.best_epoch + 1) * steps_per_epoch
        for weight in half.names("restored"):
            yield compare_exact(
                f"{weight} that {name} ends with, of epoch {found.best_epoch + 1}",
                half[f"trajectory/{last}/{weight}"],
                half[f"restored/{weight}"],
                step=last,
            )


def _alike(keras: Trace, torch: Trace) -> Iterator[Item]:
    """Compares the rates and the last epoch of both halves, and the weights that are restored."""
    a, b = keras.history["learning_rate"], torch.history["learning_rate"]
    for epoch in range(min(len(a), len(b))):
        yield compare_exact("learning_rate", a[epoch], b[epoch], epoch=epoch)
    yield compare_exact("epochs", *lengths(keras, torch))
    if keras.spec["early_stopping"] is not None:
        last = max(keras.numbers("trajectory"))
        for name in parameters(keras):
            yield compare_close(
                f"{name} (restored)",
                keras[f"restored/{name}"],
                torch[f"restored/{name}"],
                allowed=FLOAT64,
                scaled=True,
                step=last,
            )


def _parted(spec: RunSpec, keras: Trace, torch: Trace) -> str | None:
    """Tells where the halves decided otherwise, and by how little; None if they did not."""
    epoch = parting(keras, torch)
    rules = [rule for rule in (spec.reduce_lr, spec.early_stopping) if rule is not None]
    if epoch is None or not rules:
        return None
    texts = []
    for rule in rules:
        key = rule.monitor
        apart = max(
            abs(a - b)
            for a, b in zip(keras.history[key][:epoch], torch.history[key][:epoch], strict=True)
        )
        start = getattr(rule, "start_from_epoch", 0)
        call = closest_call(keras.history[key][:epoch], rule.min_delta, start)
        texts.append(told_call(key, apart, *call))
    return f"from epoch {epoch + 1} on they decide otherwise: " + "; ".join(texts)


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
        rounding = min(abs(float(exact[number] - theirs[number])), most)
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
