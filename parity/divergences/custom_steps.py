"""Divergences of steps that both halves make by code of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import MOVING
from parity.divergences.custom_training import (
    INPUT,
    NEAR,
    OUTPUT,
    clipped_otherwise,
    clipped_together,
    compared_calls,
    flat,
    gradients,
    is_close,
    moved_by_both,
    other_average,
    step_facts,
    unbiased_variance,
)
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import settings_differ
from parity.divergences.layer_settings import custom_optimizer_rows
from parity.ladder.custom_steps import FACT, GRADIENTS, MOVED, STEPS, is_compared, weights_text
from parity.ladder.recorded import carried_weight

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


_LIKELY = 0.5  # the counts of both halves say it, and not their numbers
_ROUNDED = 1e-8  # a factor so near to 1 is 1
_CLIPPED = 1e-5  # a factor so near to 1 is that of `clip_grad_norm_`, which adds 1e-6 to a norm
_LEVELS = ("loss", "gradient", "trajectory")


def is_of_custom_steps(evidence: Evidence) -> bool:
    """Whether a divergence was seen in steps of the user's own."""
    if not is_compared(evidence.keras, evidence.port):
        return False
    return evidence.level.id in _LEVELS or evidence.item.name.endswith((STEPS, MOVED))


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
    if evidence.once(other_average) is not None:
        return None
    keras, port = evidence.keras, evidence.port
    for name in keras.facts["weights"]:
        if not name.endswith(MOVING) or f"trajectory/1/{name}" not in port:
            continue
        start = carried_weight(keras, port, name)
        moved = [_has_moved(start, trace[f"trajectory/1/{name}"]) for trace in (keras, port)]
        if moved[0] != moved[1]:
            half = "Keras" if moved[0] else "the port"
            return Match(NUMBERS, f"only {half} moves {name} in its step, as in train mode")
    masks = len(step_facts(keras)["masks"]), int(step_facts(port)["num_dropped"])
    if bool(masks[0]) != bool(masks[1]):
        half = "Keras" if masks[0] else "the port"
        return Match(NUMBERS, f"dropouts are active only in {half}")
    calls = compared_calls(evidence) if evidence.level.id != "trajectory" else None
    first = None if calls is None else calls.first
    if first is not None and first.what == OUTPUT and first.is_dropped_in_one:
        half = "Keras" if first.dropped[0] else "the port"
        return Match(NUMBERS, f"only in {half}, dropouts are active in {first.place}")
    return None


def _has_moved(start: np.ndarray, after: np.ndarray) -> bool:
    return after.shape != start.shape or not np.array_equal(start, after)


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
    for name, weights in moved_by_both(evidence):
        both = [gradients(each, GRADIENTS[0], weights) for each in (evidence.keras, evidence.port)]
        theirs, ours = map(flat, both)
        if not theirs.size or theirs.shape != ours.shape:
            continue
        length = float((theirs**2).sum())
        factor = float((theirs * ours).sum()) / length if length else 0.0
        if factor and is_close(ours, factor * theirs):
            yield name, factor


def _multiple_of_log(evidence: Evidence) -> Match | None:
    """Recognises numbers that a step returns as a multiple of Keras's."""
    if evidence.level.id not in ("loss", "trajectory"):
        return None
    keras, port = evidence.keras, evidence.port
    for item in evidence.failed:
        if item.name not in step_facts(keras)["logs"]:
            continue
        theirs, ours = float(keras[f"log/1/{item.name}"]), float(port[f"log/1/{item.name}"])
        if theirs and ours and _is_simple(factor := ours / theirs):
            return Match(NUMBERS, f"{item.name} is {factor:.6g} times Keras's in the first step")
    return None


def _is_simple(factor: float) -> bool:
    """Whether a factor is a whole number, or one over it, or their negatives, but 1."""
    size = abs(factor)
    whole = max(size, 1 / size)
    is_whole = abs(whole - round(whole)) <= NEAR * whole
    return is_whole and (round(whole) > 1 or factor < 0)


def _accumulated(evidence: Evidence) -> Match | None:
    """Recognises gradients to which those of the step before are added."""
    if evidence.level.id != "trajectory":
        return None
    keras, port = evidence.keras, evidence.port
    first, second = GRADIENTS
    for optimizer, weights in moved_by_both(evidence):
        before, theirs = (gradients(keras, part, weights) for part in (first, second))
        ours = gradients(port, second, weights)
        names = before.keys() & theirs.keys()
        if not ours or names != ours.keys():
            continue
        before, theirs = ({name: part[name] for name in ours} for part in (before, theirs))
        if not is_close(flat(ours), flat(theirs)) and is_close(
            flat(ours), flat(before) + flat(theirs)
        ):
            return Match(NUMBERS, f"the second time, {optimizer} gets the sum of both gradients")
    return None


def _other_input(evidence: Evidence) -> Match | None:
    """Recognises a network that gets something else, before anything else differs."""
    calls = compared_calls(evidence) if evidence.level.id in ("loss", "gradient") else None
    if calls is None or calls.first is None or calls.first.what != INPUT:
        return None
    return Match(NUMBERS, f"it is what {calls.first.place} gets")


def _other_loss(evidence: Evidence) -> Match | None:
    """Recognises another loss of what the networks return as in Keras."""
    calls = compared_calls(evidence) if evidence.level.id == "loss" else None
    if calls is None or calls.again:
        return None
    failed = weights_text([item.name for item in evidence.failed])
    if calls.first is None:
        if calls.is_more:
            return None
        return Match(NUMBERS, f"all networks get and return Keras's numbers, but {failed} differs")
    if calls.first.what == INPUT or calls.first.is_first or calls.first.is_dropped_in_one:
        return None
    # It has returned Keras's numbers, and has been trained since.
    name = evidence.failed[0].name
    return Match(NUMBERS, f"{name} differs, and with it what {calls.first.name} learns from it")


def _other_gradients(evidence: Evidence) -> Match | None:
    """Recognises other gradients of losses that agree."""
    logs = step_facts(evidence.keras)["logs"]
    returned = [name for name in logs if f"log/1/{name}" in evidence.port]
    calls = compared_calls(evidence) if evidence.level.id == "gradient" and returned else None
    if calls is None or calls.first is not None or calls.again:
        return None
    return Match(_LIKELY, f"{weights_text(returned)} and all that the networks return agree")


def _other_output(evidence: Evidence) -> Match | None:
    """Recognises a network that returns something else for the same input."""
    calls = compared_calls(evidence) if evidence.level.id in ("loss", "gradient") else None
    if calls is None:
        return None
    first = calls.first
    if first is None and calls.again:
        name = calls.again[0] or "the network"
        return Match(NUMBERS, f"{name} is called once more, behind a step that moved its weights")
    if first is None or first.what != OUTPUT or not first.is_first:
        return None
    return Match(NUMBERS, f"{first.place} gets Keras's numbers and returns others")


def _other_draws(evidence: Evidence) -> Match | None:
    if not _is_of_numbers(evidence) or FACT not in evidence.port.facts:
        return None
    found = step_facts(evidence.port)
    theirs, ours = int(step_facts(evidence.keras)["num_drawn"]), int(found["num_drawn"])
    if (lacking := ours - int(found.get("num_replaced", ours))) and theirs == ours:
        text = f"{lacking} of {ours} random tensors are of a distribution or shape that Keras draws"
        return Match(NUMBERS, f"{text} none of")
    if theirs == ours:
        return None
    return Match(_LIKELY, f"Keras draws {theirs} random tensors in a step, the port {ours}")


def _other_step(evidence: Evidence) -> Match | None:
    if not _is_of_numbers(evidence):
        return None
    if evidence.level.id == "trajectory":
        return Match(PLACE, "losses and gradients of the first step agree")
    failed = weights_text([item.name for item in evidence.failed])
    return Match(PLACE, f"it is seen first at {failed}")


def _setting(name: str) -> Recogniser:
    """Returns what recognises a setting of an optimizer, by the ID that its difference has."""

    def recognise(evidence: Evidence) -> Match | None:
        if evidence.level.id != "trajectory":
            return None
        for place, (setting, theirs, ours, identity) in custom_optimizer_rows(
            evidence.keras, evidence.port
        ):
            if identity == name and settings_differ(theirs, ours):
                return Match(SETTINGS, f"{place[0]}: {setting} is {theirs} in Keras, {ours} here")
        return None

    return recognise


def _of_custom_steps(recognise: Recogniser) -> Recogniser:
    def asked(evidence: Evidence) -> Match | None:
        return recognise(evidence) if is_of_custom_steps(evidence) else None

    return asked


_RECOGNISERS: dict[str, Recogniser] = {
    "S13": other_average,
    "S2": _number_of_steps,
    "S3": _moved_weights,
    "S1": _mode,
    "S4": _multiple,
    "S6": _multiple_of_log,
    "S5": _accumulated,
    "S8": _other_draws,
    "S9": _other_input,
    "S10": _other_loss,
    "S11": _other_gradients,
    "S12": _other_output,
    "S7": _other_step,
}
RULES = {name: _of_custom_steps(rule) for name, rule in _RECOGNISERS.items()}
_SETTINGS = ("F1", "F4", "F6", "F8", "F9", "F13", "F14", "C11")
# What own steps are asked, the narrower first; beside RULES, entries of other modules.
ASKED: dict[str, Recogniser] = {
    "E1": clipped_together,
    "E8": lambda evidence: clipped_otherwise(evidence) or _setting("E8")(evidence),
    "E2": _clip_epsilon,
    "C3": unbiased_variance,
    **RULES,
    **{name: _setting(name) for name in _SETTINGS},
}
