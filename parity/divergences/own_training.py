"""Divergences of steps that both halves make by code of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.weight_names import MOVING
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import settings_differ
from parity.divergences.training_settings import own_optimizer_rows
from parity.ladder.own_steps import (
    FACT,
    GRADIENTS,
    MOVED,
    STEPS,
    is_compared,
    pairs,
    told_weights,
)
from parity.ladder.recorded import carried_weight

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.traces.trace import Trace

_LIKELY = 0.5  # the counts of both halves say it, and not their numbers
_NEAR = 1e-6  # relative: constants that Keras keeps in float32 are so far off
_ROUNDED = 1e-8  # a factor so near to 1 is 1
_CLIPPED = 1e-5  # a factor so near to 1 is that of `clip_grad_norm_`, which adds 1e-6 to a norm
_LEVELS = ("loss", "gradient", "trajectory")


def is_of_own_steps(evidence: Evidence) -> bool:
    """Whether a divergence was seen in steps of the user's own."""
    if not is_compared(evidence.keras, evidence.port):
        return False
    return evidence.level.id in _LEVELS or evidence.item.name.endswith((STEPS, MOVED))


def _told(trace: Trace) -> Mapping[str, Any]:
    """Returns what a half tells of its steps; a port that raises in the first one tells nothing."""
    nothing = {"logs": [], "called": [], "masks": [], "num_drawn": 0, "num_dropped": 0}
    found: Mapping[str, Any] = trace.facts.get(FACT) or nothing
    return found


def _is_of_numbers(evidence: Evidence) -> bool:
    return evidence.level.id in _LEVELS


def _number_of_steps(evidence: Evidence) -> Match | None:
    for item in evidence.failed:
        if item.name.endswith(STEPS):
            name = item.name.removesuffix(STEPS)
            text = f"{name} makes {item.keras} in Keras's train_step, {item.torch} in the port's"
            return Match(NUMBERS, text)
    return None


def _moved_weights(evidence: Evidence) -> Match | None:
    for item in evidence.failed:
        if item.name.endswith(MOVED):
            return Match(NUMBERS, f"{item.name.removesuffix(MOVED)} moves {item.torch}")
    for item in evidence.failed:
        if {item.keras, item.torch} == {"a gradient", "no gradient"}:
            half = "Keras" if item.keras == "a gradient" else "the port"
            return Match(NUMBERS, f"only {half} trains {item.name}")
    return None


def _mode(evidence: Evidence) -> Match | None:
    """Recognises a network that one half calls in train mode and the other does not."""
    if not _is_of_numbers(evidence) or FACT not in evidence.port.facts:
        return None
    keras, port = evidence.keras, evidence.port
    for name in keras.facts["weights"]:
        if not name.endswith(MOVING) or f"trajectory/1/{name}" not in port:
            continue
        begins = carried_weight(keras, port, name)
        moved = [_has_moved(begins, trace[f"trajectory/1/{name}"]) for trace in (keras, port)]
        if moved[0] != moved[1]:
            half = "Keras" if moved[0] else "the port"
            return Match(NUMBERS, f"only {half} moves {name} in its step, as in train mode")
    masks = len(_told(keras)["masks"]), int(_told(port)["num_dropped"])
    if bool(masks[0]) != bool(masks[1]):
        half = "Keras" if masks[0] else "the port"
        return Match(NUMBERS, f"dropouts are active only in {half}")
    return None


def _has_moved(begins: np.ndarray, after: np.ndarray) -> bool:
    return after.shape != begins.shape or not np.array_equal(begins, after)


def _multiple(evidence: Evidence) -> Match | None:
    """Recognises gradients of an optimizer that are a multiple of Keras's."""
    if evidence.level.id not in ("loss", "gradient"):
        return None
    for name, factor in _factors(evidence):
        if abs(factor - 1) > _CLIPPED:
            return Match(NUMBERS, f"the gradients that {name} gets are {factor:.6g} times Keras's")
    return None


def _clip_epsilon(evidence: Evidence) -> Match | None:
    """Recognises gradients that are clipped with torch's 1e-6 beside their norm."""
    if evidence.level.id != "gradient":
        return None
    for name, factor in _factors(evidence):
        if _ROUNDED < 1 - factor <= _CLIPPED:
            return Match(SETTINGS, f"the gradients of {name} are {factor:.9g} times Keras's")
    return None


def _factors(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Yields the optimizers whose gradients are a multiple of Keras's, and by what."""
    for name, weights in _moved_by_both(evidence):
        keys = [f"{GRADIENTS[0]}/{weight}" for weight in weights]
        theirs, ours = _flat(evidence.keras, keys), _flat(evidence.port, keys)
        if not keys or theirs.shape != ours.shape:
            continue
        length = float((theirs**2).sum())
        factor = float((theirs * ours).sum()) / length if length else 0.0
        if factor and _is_close(ours, factor * theirs):
            yield name, factor


def _moved_by_both(evidence: Evidence) -> Iterator[tuple[str, list[str]]]:
    """Yields the optimizers of Keras that the port has, too, with the weights that both move."""
    for theirs, ours in pairs(evidence.keras, evidence.port):
        if theirs is not None and ours is not None:
            yield theirs.name, sorted(theirs.weights & ours.weights)


def _flat(trace: Trace, keys: list[str]) -> np.ndarray:
    arrays = [trace[key].reshape(-1) for key in keys if key in trace]
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _multiple_of_log(evidence: Evidence) -> Match | None:
    """Recognises numbers that a step returns as a multiple of Keras's."""
    if evidence.level.id not in ("loss", "trajectory"):
        return None
    keras, port = evidence.keras, evidence.port
    for item in evidence.failed:
        if item.name not in _told(keras)["logs"]:
            continue
        theirs, ours = float(keras[f"log/1/{item.name}"]), float(port[f"log/1/{item.name}"])
        if theirs and ours and _is_simple(factor := ours / theirs):
            return Match(NUMBERS, f"{item.name} is {factor:.6g} times Keras's in the first step")
    return None


def _is_simple(factor: float) -> bool:
    """Whether a factor is a whole number, or one over it, or their negatives, but 1."""
    size = abs(factor)
    whole = max(size, 1 / size)
    is_whole = abs(whole - round(whole)) <= _NEAR * whole
    return is_whole and (round(whole) > 1 or factor < 0)


def _accumulated(evidence: Evidence) -> Match | None:
    """Recognises gradients to which those of the step before are added."""
    if evidence.level.id != "trajectory":
        return None
    keras, port = evidence.keras, evidence.port
    first, second = GRADIENTS
    for optimizer, weights in _moved_by_both(evidence):
        names = [name for name in weights if f"{second}/{name}" in port]
        before, own, seen = (
            _flat(trace, [f"{part}/{name}" for name in names])
            for trace, part in ((keras, first), (keras, second), (port, second))
        )
        if not names or before.shape != seen.shape:
            continue
        if not _is_close(seen, own) and _is_close(seen, before + own):
            return Match(NUMBERS, f"in the second step {optimizer} gets the sum of both")
    return None


def _other_input(evidence: Evidence) -> Match | None:
    """Recognises a network that gets something else, before anything else differs."""
    if evidence.level.id not in ("loss", "gradient"):
        return None
    place = _first_difference(evidence)
    if place is None or place[1] != "input":
        return None
    return Match(NUMBERS, f"it is what {_named(evidence, place[0])} gets")


def _other_loss(evidence: Evidence) -> Match | None:
    """Recognises another loss of what the networks return as in Keras."""
    if evidence.level.id != "loss" or not _is_called_alike(evidence):
        return None
    place = _first_difference(evidence)
    if place is None:
        failed = told_weights([item.name for item in evidence.failed])
        return Match(NUMBERS, f"all networks get and return Keras's numbers, but {failed} differs")
    number, what = place
    called = _told(evidence.keras)["called"]
    if what == "input" or called[number] not in called[:number]:
        return None
    # It has returned Keras's numbers, and has been trained since.
    name = evidence.failed[0].name
    return Match(NUMBERS, f"{name} differs, and with it what {called[number]} learns from it")


def _other_gradients(evidence: Evidence) -> Match | None:
    """Recognises other gradients of losses that agree."""
    logs = _told(evidence.keras)["logs"]
    returned = [name for name in logs if f"log/1/{name}" in evidence.port]
    if evidence.level.id != "gradient" or not returned or not _is_called_alike(evidence):
        return None
    if _first_difference(evidence) is not None:
        return None
    return Match(_LIKELY, f"{told_weights(returned)} and all that the networks return agree")


def _other_output(evidence: Evidence) -> Match | None:
    """Recognises a network that returns something else for the same input, in its first call."""
    place = _first_difference(evidence) if evidence.level.id in ("loss", "gradient") else None
    if place is None or place[1] != "output":
        return None
    called, number = _told(evidence.keras)["called"], place[0]
    if called[number] in called[:number]:
        return None
    name = called[number] or "the network"
    return Match(NUMBERS, f"{name} gets Keras's numbers and returns others")


def _is_called_alike(evidence: Evidence) -> bool:
    """Whether both halves call the same networks in the same order, with the same shapes."""
    keras, port = evidence.keras, evidence.port
    names = [_told(trace)["called"] for trace in (keras, port)]
    if not names[0] or names[0] != names[1]:
        return False
    keys = [key for key in keras.below("part") if f"part/{key}" in port]
    return bool(keys) and all(keras[f"part/{k}"].shape == port[f"part/{k}"].shape for k in keys)


def _first_difference(evidence: Evidence) -> tuple[int, str] | None:
    """Returns the number of the first call that differs, and at its "input" or its "output"."""
    if not _is_called_alike(evidence):
        return None
    for number in range(len(_told(evidence.keras)["called"])):
        for what in ("input", "output"):
            for place in evidence.keras.below(f"part/{number}/{what}"):
                key = f"part/{number}/{what}/{place}"
                if key in evidence.port and not _is_close(evidence.keras[key], evidence.port[key]):
                    return number, what
    return None


def _is_close(theirs: np.ndarray, ours: np.ndarray) -> bool:
    return bool(np.abs(theirs - ours).max(initial=0) <= _NEAR * np.abs(theirs).max(initial=0))


def _named(evidence: Evidence, number: int) -> str:
    called = _told(evidence.keras)["called"]
    count = called[: number + 1].count(called[number])
    name = called[number] or "the network"
    return name if called.count(called[number]) == 1 else f"{name} in its call number {count}"


def _other_draws(evidence: Evidence) -> Match | None:
    if not _is_of_numbers(evidence) or FACT not in evidence.port.facts:
        return None
    theirs, ours = (int(_told(t)["num_drawn"]) for t in (evidence.keras, evidence.port))
    if theirs == ours:
        return None
    return Match(_LIKELY, f"Keras draws {theirs} random tensors in a step, the port {ours}")


def _other_step(evidence: Evidence) -> Match | None:
    if not _is_of_numbers(evidence):
        return None
    if evidence.level.id == "trajectory":
        return Match(PLACE, "losses and gradients of the first step agree")
    failed = told_weights([item.name for item in evidence.failed])
    return Match(PLACE, f"it is seen first at {failed}")


def _setting(name: str) -> Recogniser:
    """Returns what recognises a setting of an optimizer, by the ID that its difference has."""

    def recognise(evidence: Evidence) -> Match | None:
        if evidence.level.id != "trajectory":
            return None
        for place, (setting, theirs, ours, identity) in own_optimizer_rows(
            evidence.keras, evidence.port
        ):
            if identity == name and settings_differ(theirs, ours):
                return Match(SETTINGS, f"{place[0]}: {setting} is {theirs} in Keras, {ours} here")
        return None

    return recognise


def _of_own(recognise: Recogniser) -> Recogniser:
    def asked(evidence: Evidence) -> Match | None:
        return recognise(evidence) if is_of_own_steps(evidence) else None

    return asked


_OWN: dict[str, Recogniser] = {
    "S2": _number_of_steps,
    "S3": _moved_weights,
    "S1": _mode,
    "S4": _multiple,
    "S6": _multiple_of_log,
    "S5": _accumulated,
    "S9": _other_input,
    "S10": _other_loss,
    "S11": _other_gradients,
    "S12": _other_output,
    "S8": _other_draws,
    "S7": _other_step,
}
RULES = {name: _of_own(rule) for name, rule in _OWN.items()}
# Entries of other modules that own steps show, too; asked where `is_of_own_steps` holds.
SETTINGS_OF_OPTIMIZERS = {
    name: _setting(name) for name in ("F1", "F4", "F6", "F8", "F9", "F13", "F14", "C11", "E8")
} | {"E2": _clip_epsilon}
