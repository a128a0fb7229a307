"""The training from recorded states: what both halves computed and decided from the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.probe_inputs import of_step
from parity.ladder.anchored import (
    CHANGES,
    NUM_NEIGHBOURS,
    ROUNDING_FACTOR,
    close_call_text,
    closest_call,
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
    Rounding,
    compare_rates,
    parting,
)
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.items import ROUNDINGS, Item, Outcome, judged, skipped
from parity.ladder.own_loop import OPTIMIZER_STEPS, PERIOD, of_loop
from parity.ladder.rounding import EXACT, NOISE_FACTOR
from parity.traces.anchors import LAST_STEP, NUM_STEPS, OTHERS

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --- The training from recorded states: what both halves computed from the same ones --------------
#
# So are trainings in float32 compared, and long ones in float64.


STEPS = "number of steps"
BETWEEN_STEPS = "weights and slots changed between two steps"
RATES_BY_RULES = "learning rates of torch by its rules"
FINAL_WEIGHTS = "weights that the training ends with"
# Kinds of arrays, in the order in which a step computes them, and what their items are called.
_KINDS = {
    "validation": "val_{}",
    "loss": "loss",
    "moved": "{}",
    "slots": "{}",
    "running": "{}",
}


def from_states(keras: KerasTrace, torch: PortTrace) -> Outcome:
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
    items = [*_number_of_steps(keras, torch), _between_steps(keras, torch), *of_loop(torch)]
    items += _ends_as(keras, torch)
    not_compared: dict[str, str] = {}
    for step, by_weight in zip(steps, rounded, strict=True):
        place = {"epoch": _epoch_of(ends, step), "step": step}
        for name in torch.names(f"anchored/{step}/masks"):  # if it draws them by itself
            states = [half[f"anchored/{step}/masks/{name}"] for half in (keras, torch)]
            items.append(compare_exact(f"generator of {name}'s masks", *states, **place))
        theirs, ours = (read_steps(half, step) for half in (keras, torch))
        items += _computed(theirs, ours, tolerance, step, ends, not_compared)
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
    anchor: int,
    ends: Sequence[int],
    not_compared: dict[str, str],
) -> Iterator[Item]:
    """Yields the worst item of each kind of array that both halves have, of the first step.

    Args:
        theirs: what the reference computes from the anchor, as `read_steps` returns it.
        ours: the same of the port.
        tolerance: of the reference.
        anchor: number of the steps before it.
        ends: of the epochs.
        not_compared: receives what rounding alone decides.
    """
    by_kind: dict[str, list[Item]] = {kind: [] for kind in _KINDS}
    for key in (key for key in theirs if key in ours):
        item = _compared(key, theirs[key], ours[key], tolerance, anchor)
        # A difference is told with the step that makes it, and not with that of the state.
        number = 0 if item.agrees else _number_of(key, theirs)
        epoch = _epoch_of(ends, anchor + max(0, number - 1))
        item = replace(item, step=anchor + number, epoch=epoch)
        if item.allowed > MOST and item.agrees:
            not_compared[f"{item.name} from the state at step {anchor}"] = (
                "rounding decides it: its exact value is 0"
            )
        else:
            by_kind[key.partition("/")[0]].append(item)
    for items in by_kind.values():
        differing = [item for item in items if not item.agrees]
        first = min((item.step or 0 for item in differing), default=None)
        if items:
            chosen = [item for item in differing if (item.step or 0) == first] or items
            yield max(chosen, key=lambda item: item.ratio)


def _compared(
    key: str, theirs: np.ndarray, ours: np.ndarray, tolerance: AnchoredTolerance, anchor: int
) -> Item:
    kind, _, rest = key.partition("/")
    allowed = tolerance.allowed(anchor, key)
    after = ""
    if kind in ("moved", "slots"):
        number, _, rest = rest.partition("/")
        after = "after one step" if number == "1" else f"after {number} steps"
    name = _KINDS[kind].format(_name(kind, rest))
    item = compare_close(name, theirs, ours, allowed=allowed, unit="rel", step=anchor)
    return replace(item, note=", ".join(filter(None, (item.note, after))))


def _number_of(key: str, arrays: Mapping[str, np.ndarray]) -> int:
    """Returns behind how many steps from a state an array is."""
    kind, *rest = key.split("/")
    if kind in ("moved", "slots"):
        return int(rest[0])
    return 0 if kind == "validation" else len(arrays["loss"])


def _epoch_of(ends: Sequence[int], step: int) -> int:
    return int(np.searchsorted(ends, step, side="right"))


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


def _number_of_steps(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
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


def _between_steps(keras: KerasTrace, torch: PortTrace) -> Item:
    """Compares what changed outside of the steps, which no step from a recorded state can show."""
    changed = [half["between_steps"] > 0 for half in (keras, torch)]
    if changed[0].any():  # by how much may hang on the weights
        return compare_exact(BETWEEN_STEPS, *(bool(each.any()) for each in changed))
    if not changed[1].any():
        return compare_exact(BETWEEN_STEPS, False, False)
    step = int(np.flatnonzero(changed[1])[0])
    ends = torch.facts["epoch_ends"]
    return compare_exact(BETWEEN_STEPS, False, True, epoch=_epoch_of(ends, step), step=step)


def _ends_as(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
    """Compares what the final weights are; a rule that chooses an epoch may choose another."""
    if not all("ends_as" in half.facts for half in (keras, torch)):
        return
    theirs, ours = (str(half.facts["ends_as"]) for half in (keras, torch))
    if not (keras.facts.get("watched") and {theirs, ours} <= {LAST_STEP, OTHERS}):
        yield compare_exact(FINAL_WEIGHTS, theirs, ours, step=keras.facts["epoch_ends"][-1])


# --------------------------------------------------------------------------------------------------
#
# Decisions of a training that is compared from recorded states: cuts of the rate, and its end.


ENDS_WITH = "that the training ends with"


def decisions(keras: KerasTrace, torch: PortTrace) -> Outcome:
    """Compares what the rules of the port decide, given Keras's history, with what Keras did.

    The halves have other losses, and may cut or stop in other epochs. So each half is
    compared with its own rules: those of the port must have decided in its own training as they do
    of its history.
    """
    if torch.facts.get("loop_sets_rates"):
        items = list(_of_loop(keras, torch))
    else:
        items = [*_of_history(keras, torch), *_of_port_history(torch, Rounding.of(keras))]
    source = f"{EXACT}; the port's rules, given Keras's history, and each half by its rules"
    if in_float32(keras):
        source += "; rates within the rounding of float32"
    if (parting_note := _parted(keras, torch)) is not None:
        source += f"; {parting_note}"
    return judged(source, items)


def _parted(keras: KerasTrace, torch: PortTrace) -> str | None:
    """Tells where the halves decided otherwise in their own trainings, and by how little."""
    epoch = _parting(keras, torch)
    if not epoch:  # what differs from the start was not decided
        return None
    texts = [close_call_text(*call) for call in _closest_calls(keras, torch, epoch)]
    text = f"from epoch {epoch + 1} on the halves decide otherwise"
    return f"{text}: {'; '.join(texts)}" if texts else None


def _closest_calls(
    keras: KerasTrace, torch: PortTrace, epoch: int
) -> Iterator[tuple[str, float, int, float]]:
    """Yields, of each rule, its column, how far the halves are apart in it, and Keras's closest.

    Args:
        keras: trace of the reference.
        torch: trace of the port.
        epoch: before which it is looked for, from 0.
    """
    for rule in keras.facts.get("watched", ()):
        key, sign = rule["monitor"], -1.0 if rule["is_max"] else 1.0
        columns = [sign * np.array(half.history.get(key, ())[:epoch]) for half in (keras, torch)]
        if epoch and all(len(column) == epoch for column in columns):  # else of some epochs only
            apart = float(np.abs(columns[0] - columns[1]).max())
            call = closest_call(columns[0].tolist(), rule["min_delta"], rule["start"])
            yield key, apart, *call


def _parting(keras: KerasTrace, torch: PortTrace) -> int | None:
    """Returns the first epoch, from 0, that has another rate or is there in one half only."""
    ends = [half.facts["epoch_ends"] for half in (keras, torch)]
    a, b = (half["training/rates"] for half in (keras, torch))
    epoch = parting(a, b, ends[0], Rounding.of(keras))
    if epoch is None and len(ends[0]) != len(ends[1]):
        return min(map(len, ends))
    return epoch


def _of_loop(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
    """Compares what a loop that has its rules itself does in its own training, with Keras's.

    Two right halves may decide otherwise where Keras's decision was as close as they are.
    """
    ends, rounding = keras.facts["epoch_ends"], Rounding.of(keras)
    theirs, ours = (half["training/rates"] for half in (keras, torch))
    if OPTIMIZER_STEPS in torch and int(torch[PERIOD]) > 1:  # a batch without a step has no rate
        number = min(len(theirs), len(ours))
        has_none = torch[OPTIMIZER_STEPS][:number] == 0
        ours = np.concatenate([np.where(has_none, theirs[:number], ours[:number]), ours[number:]])
    epoch = _parting(keras, torch)
    if epoch is not None and any(
        margin <= 2 * apart for _, apart, _, margin in _closest_calls(keras, torch, epoch)
    ):
        last = [0, *ends][epoch]
        if last:
            yield compare_rates(theirs[:last], ours[:last], ends, rounding)
        return
    yield compare_rates(theirs, ours, ends, rounding)
    number = len(torch.facts["epoch_ends"])
    yield compare_exact("epochs", len(ends), number)
    for name in torch.below("training/final") if number == len(ends) else ():
        final = [epochs_of_final(half, name) for half in (keras, torch)]
        if all(final):  # else they are of no epoch, such as averages
            same = [epoch for epoch in final[0] if epoch in final[1]]
            said = [f"of epoch {(same or epochs)[-1]}" for epochs in final]
            yield compare_exact(f"{name} {ENDS_WITH}", *said, step=ends[-1])


def _of_history(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
    ends = keras.facts["epoch_ends"]
    theirs, ours = keras["training/rates"], torch["rules/keras/rates"]
    yield compare_rates(theirs, ours, ends, Rounding.of(keras))
    yield compare_exact("epochs", len(ends), int(torch["rules/keras/epochs"]))
    if int(torch["rules/keras/epochs"]) == len(ends):
        yield from _endings("", keras, torch, "keras")


def _of_port_history(torch: PortTrace, rounding: Rounding) -> Iterator[Item]:
    ends = torch.facts["epoch_ends"]
    item = compare_rates(torch["rules/torch/rates"], torch["training/rates"], ends, rounding)
    yield replace(item, name=RATES_BY_RULES)
    yield compare_exact("epochs of torch by its rules", int(torch["rules/torch/epochs"]), len(ends))
    yield from _endings(" of torch by its rules", torch, torch, "torch")


def _endings(whose: str, half: Trace, torch: PortTrace, history: str) -> Iterator[Item]:
    """Compares the epoch whose weights a half ends with, by weight, with what the rules say."""
    ends = half.facts["epoch_ends"]
    for name in torch.below(f"rules/{history}/ends"):
        epochs = epochs_of_final(half, name)
        by_rules = int(torch[f"rules/{history}/ends/{name}"])
        if epochs:  # else they are of no epoch, such as averages
            yield compare_exact(
                f"{name} {ENDS_WITH}{whose}",
                f"of epoch {by_rules if by_rules in epochs else epochs[-1]}",
                f"of epoch {by_rules}",
                step=ends[-1],
            )


def epochs_of_final(half: Trace, name: str) -> list[int]:
    """Returns the epochs, from 1, after which a weight was what it is at the end; 0: before all."""
    key = f"training/final/{name}"
    if key not in half:
        return []
    final = of_step(half[key])
    return [
        number
        for number, step in enumerate([0, *half.facts["epoch_ends"]])
        if (after := f"training/weights/{step}/{name}") in half
        and np.array_equal(half[after], final)
    ]
