"""The training from recorded states: what both halves computed from the same ones.

So are trainings in float32 compared, and long ones in float64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.anchored import (
    CHANGES,
    NUM_NEIGHBOURS,
    ROUNDING_FACTOR,
    in_float32,
    is_repeated,
    read_steps,
    roundings,
)
from parity.ladder.anchored_tolerance import (
    CONSTANTS_FACTOR,
    KERAS_CONSTANTS,
    MOST,
    RELATIVE,
    AnchoredTolerance,
)
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.items import ROUNDINGS, Item
from parity.ladder.outcome import Outcome, judged, skipped
from parity.ladder.tolerance import NOISE_FACTOR
from parity.traces.anchors import NUM_STEPS

if TYPE_CHECKING:
    from parity.traces.trace import Trace

STEPS = "number of steps"
BETWEEN_STEPS = "weights and slots changed between two steps"
# Kinds of arrays, in the order in which a step computes them, and what their items are called.
_KINDS = {
    "validation": "val_{}",
    "loss": "loss",
    "moved": "{}",
    "slots": "{}",
    "running": "{}",
}


def from_states(keras: Trace, torch: Trace) -> Outcome:
    """Compares what both halves compute from the same recorded states of the reference.

    A number that only one half reports is left out, and so are slots for which one has no name.
    """
    tolerance = AnchoredTolerance(keras, torch)
    if not is_repeated(keras, tolerance.steps):
        return skipped(CHANGES)
    ends = keras.facts["epoch_ends"]
    steps = [step for step in tolerance.steps if torch.below(f"anchored/{step}")]
    rounds = in_float32(keras) and not torch.facts.get("incomplete")
    rounded = roundings(keras, torch, steps) if rounds else [{} for _ in steps]
    items = [*_number_of_steps(keras, torch), _between_steps(keras, torch)]
    not_compared: dict[str, str] = {}
    for step, by_weight in zip(steps, rounded, strict=True):
        place = {"epoch": int(np.searchsorted(ends, step, side="right")), "step": step}
        for name in torch.names(f"anchored/{step}/masks"):  # if it draws them by itself
            states = [half[f"anchored/{step}/masks/{name}"] for half in (keras, torch)]
            items.append(compare_exact(f"generator of {name}'s masks", *states, **place))
        theirs, ours = (read_steps(half, step) for half in (keras, torch))
        items += _computed(theirs, ours, tolerance, place, not_compared)
        if by_weight:
            items.append(_rounding(by_weight, place))
    return judged(_source(len(steps), rounds=any(rounded)), items, not_compared.items())


def _source(num_states: int, *, rounds: bool) -> str:
    """Returns where the tolerances come from."""
    source = (
        f"{num_states} recorded states, {NUM_STEPS} steps each in float64: {RELATIVE:g} of an "
        f"array's largest value, or {NOISE_FACTOR:g} times what one unit in the last place of the "
        f"state changes in Keras; {KERAS_CONSTANTS:g}, or {CONSTANTS_FACTOR:g} times what they "
        "change, where constants matter that Keras keeps in float32"
    )
    if rounds:
        source += (
            f"; a step in float32 is rounded at most {ROUNDING_FACTOR:g} times as much as Keras's, "
            f"in the median of {2 * NUM_NEIGHBOURS + 1} states"
        )
    return source


def _computed(
    theirs: Mapping[str, np.ndarray],
    ours: Mapping[str, np.ndarray],
    tolerance: AnchoredTolerance,
    place: Mapping[str, Any],
    not_compared: dict[str, str],
) -> Iterator[Item]:
    """Yields the worst item of each kind of array that both halves have.

    Args:
        theirs: what the reference computes from the anchor, as `read_steps` returns it.
        ours: the same of the port.
        tolerance: of the reference.
        place: "step" and "epoch" of the anchor.
        not_compared: receives what rounding alone decides.
    """
    by_kind: dict[str, list[Item]] = {kind: [] for kind in _KINDS}
    for key in (key for key in theirs if key in ours):
        item = _compared(key, theirs[key], ours[key], tolerance, place)
        if item.allowed > MOST and item.agrees:
            not_compared[f"{item.name} from the state at step {place['step']}"] = (
                "rounding decides it: its exact value is 0"
            )
        else:
            by_kind[key.partition("/")[0]].append(item)
    for items in by_kind.values():
        if items:
            yield max(items, key=lambda item: item.ratio)


def _compared(
    key: str,
    theirs: np.ndarray,
    ours: np.ndarray,
    tolerance: AnchoredTolerance,
    place: Mapping[str, Any],
) -> Item:
    kind, _, rest = key.partition("/")
    allowed = tolerance.allowed(place["step"], key)
    after = ""
    if kind in ("moved", "slots"):
        number, _, rest = rest.partition("/")
        after = "after one step" if number == "1" else f"after {number} steps"
    name = _KINDS[kind].format(_name(kind, rest))
    item = compare_close(name, theirs, ours, allowed=allowed, unit="rel", **place)
    return dataclasses.replace(item, note=", ".join(filter(None, (item.note, after))))


def _name(kind: str, rest: str) -> str:
    """Returns "conv1.kernel", or "momentum of conv1.kernel", from the end of a key."""
    if kind == "slots":
        slot, _, name = rest.partition("/")
        return f"{slot} of {name}"
    return rest


def _rounding(by_weight: Mapping[str, float], place: Mapping[str, Any]) -> Item:
    """Returns the item of the weight whose float32 steps are furthest from those in float64."""
    name = max(by_weight, key=lambda each: by_weight[each])
    return Item(
        name=f"rounding of {name}",
        worst=by_weight[name],
        allowed=ROUNDING_FACTOR,
        unit=ROUNDINGS,
        num_compared=len(by_weight),
        note="a step in float32 against the same in float64, in the median of near states",
        **place,
    )


def _number_of_steps(keras: Trace, torch: Trace) -> Iterator[Item]:
    """Compares the number of steps of each epoch: the first that differs, else all.

    A training that a rule ends may end within an epoch, and by losses of its own.
    """
    fit = keras.facts["fit"]
    planned = fit["epochs"] - fit["initial_epoch"]
    numbers = [np.diff([0, *half.facts["epoch_ends"]]) for half in (keras, torch)]
    common = min(map(len, numbers))
    if min(map(len, numbers)) < planned or numbers[0][-1] < numbers[0][0]:
        common = max(0, common - 1)
    a, b = (half[:common] for half in numbers)
    differs = np.flatnonzero(a != b)
    if differs.size:
        epoch = int(differs[0])
        place = {"epoch": epoch, "step": int(a[:epoch].sum())}
        yield compare_exact(STEPS, int(a[epoch]), int(b[epoch]), **place)
    elif common:
        yield compare_exact(STEPS, a, b)


def _between_steps(keras: Trace, torch: Trace) -> Item:
    """Compares what changed outside of the steps, which no step from a recorded state can show."""
    changed = [half["between_steps"] > 0 for half in (keras, torch)]
    if changed[0].any():  # by how much may hang on the weights
        return compare_exact(BETWEEN_STEPS, *(bool(each.any()) for each in changed))
    if not changed[1].any():
        return compare_exact(BETWEEN_STEPS, False, False)
    step = int(np.flatnonzero(changed[1])[0])
    ends = torch.facts["epoch_ends"]
    epoch = int(np.searchsorted(ends, step, side="right"))
    return compare_exact(BETWEEN_STEPS, False, True, epoch=epoch, step=step)
