"""Divergences between two layers: what the port makes of Keras's output before the next one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from parity.divergences.arithmetic import ACTIVATIONS
from parity.divergences.divergence import NUMBERS, SETTINGS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, Evidence, is_close
from parity.divergences.names import module_text
from parity.divergences.relations import (
    AFFINE,
    COUNTED,
    CUT,
    FACT,
    PERMUTED,
    SHIFTED,
    Relation,
    relations,
)
from parity.ladder.recorded import in_form

# --- Divergences told by how the port's values are related to Keras's at the same place -----------
#
# Entries in another order, values of another step, sums for means, factors and offsets. What is
# known of other differences is added to the place that they are told with.


_MOST_FACTS = 2


def related(kind: str) -> Recogniser:
    """Returns the recogniser of a relation that gives all of the port's values."""

    def recognise(evidence: Evidence) -> Match | None:
        found = next(iter(evidence.once(_found)), None)
        return Match(NUMBERS, found.text) if found is not None and found.kind == kind else None

    return recognise


def with_facts(evidence: Evidence, text: str) -> str:
    """Returns a text, and what is known of the difference at its place."""
    facts = [each.text for each in evidence.once(_found) if each.kind == FACT]
    return "; ".join([text, *facts[:_MOST_FACTS]])


def _found(evidence: Evidence) -> list[Relation]:
    close = max(evidence.close, OF_FLOAT32)
    pairs = list(evidence.compared())
    key = f"forward/{evidence.mode}/output"
    if evidence.is_output and key in evidence.keras and key in evidence.port:
        pairs.append((evidence.keras[key], evidence.port[key]))
    for theirs, ours in pairs:
        if found := list(relations(theirs, ours, close)):
            return found
    return []


RULES_OF_RELATED: dict[str, Recogniser] = {
    "A40": related(COUNTED),
    "A41": related(PERMUTED),
    "A42": related(SHIFTED),
    "A45": related(CUT),
}


# --------------------------------------------------------------------------------------------------
#
# Divergences between two layers: what the port makes of Keras's output before the next layer.


_MAX_AXES = 5  # 120 orders
_MOST_PARTS = 8  # of a tensor that is split


def _arrays(evidence: Evidence) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (where from, Keras's tensor there, what Keras makes of it, what the port makes).

    That is an input of a layer and what it was made from, or a layer's own output and input.
    """
    found = evidence.failing_input()
    if found is not None:
        number, theirs, ours = found
        before = evidence.source(number)
        while before is not None:
            key = f"forward/{evidence.mode}/{before['name']}"
            for part in ("output", "input/0"):
                if f"{key}/{part}" in evidence.keras:
                    yield before["name"], evidence.keras[f"{key}/{part}"], theirs, ours
            before = evidence.before(before)
        return
    x, made, isolated = evidence.keras_input(), evidence.keras_output(), evidence.own_output()
    if evidence.is_own and x is not None and made is not None and isolated is not None:
        yield str(evidence.config.get("name")), x, made, isolated


def last_step(evidence: Evidence) -> Match | None:
    """Recognises a backward direction at another step, behind both side by side."""
    found, before = evidence.failing_input(), None
    if found is not None:
        before = evidence.source(found[0])
    if found is None or before is None or before["kind"] != "bidirectional":
        return None
    _, theirs, ours = found
    half = theirs.shape[-1] // 2
    if theirs.shape != ours.shape or theirs.ndim != 2 or theirs.shape[-1] % 2:
        return None
    is_same = [
        evidence.is_close(theirs[:, part], ours[:, part]) for part in (np.s_[:half], np.s_[half:])
    ]
    if is_same == [True, False]:
        return Match(NUMBERS, "the forward direction agrees, the backward one is at another step")
    return None


def _reshaped(evidence: Evidence) -> Match | None:
    """Recognises the same numbers, with axes that were reshaped and not permuted."""
    if not evidence.is_forward():
        return None
    for name, x, theirs, ours in _arrays(evidence):
        if not theirs.size == ours.size == x.size or x.ndim > _MAX_AXES or x.ndim < 3:
            continue
        if evidence.is_close(theirs, ours) or not evidence.is_close(
            np.sort(x, axis=None), np.sort(ours, axis=None)
        ):
            continue
        for axes in itertools.permutations(range(1, x.ndim)):
            turned = x.transpose(0, *axes)
            if turned.shape == x.shape == ours.shape and evidence.is_close(x, ours):
                return None  # another tensor, as it is
            for back in (ours, np.moveaxis(ours, -1, 1)):
                if evidence.is_close(turned.reshape(back.shape), back):
                    how = "as it is" if axes == tuple(range(1, x.ndim)) else f"in the order {axes}"
                    return Match(NUMBERS, f"the port reshapes {name} {how}")
        if related(PERMUTED)(evidence) is not None:  # which says more
            return None
        return Match(SETTINGS, f"the port has the numbers of {name} in a different order")
    found = evidence.failing_input()
    if found is None or related(PERMUTED)(evidence) is not None:
        return None
    return _in_another_order(evidence, *found[1:])


def _in_another_order(evidence: Evidence, theirs: np.ndarray, ours: np.ndarray) -> Match | None:
    if theirs.size != ours.size or theirs.ndim < 2:
        return None
    is_same = evidence.is_close(np.sort(theirs, axis=None), np.sort(ours, axis=None))
    if evidence.is_close(theirs, ours) or not is_same:
        return None
    return Match(NUMBERS, "the port has Keras's numbers in a different order")


def _reshaped_output(evidence: Evidence) -> Match | None:
    """Recognises an output of the model with Keras's numbers in another order."""
    key = f"forward/{evidence.mode}/output"
    if not evidence.is_output or key not in evidence.keras or key not in evidence.port:
        return None
    return _in_another_order(evidence, evidence.keras[key], evidence.port[key])


def other_reduction(evidence: Evidence) -> Match | None:
    """Recognises another reduction over steps or pixels: a maximum, a sum, the last step."""
    if not evidence.is_forward():
        return None
    for name, x, theirs, ours in _arrays(evidence):
        if x.ndim < 3 or x.shape[-1] != theirs.shape[-1] or theirs.size >= x.size:
            continue
        flat = x.reshape(len(x), -1, x.shape[-1])
        values = {
            "the mean": flat.mean(axis=1),
            "the maximum": flat.max(axis=1),
            "the sum": flat.sum(axis=1),
            "the last step": flat[:, -1],
            "the first step": flat[:, 0],
        }
        for reduction, value in values.items():
            if value.size == ours.size and evidence.is_close(value.reshape(ours.shape), ours):
                return Match(NUMBERS, f"the port takes {reduction} of what comes to {name}")
    return None


def _scaled(evidence: Evidence) -> Match | None:
    if evidence.is_output:
        return _scaled_output(evidence)
    if not evidence.is_forward():
        return None
    for name, _, theirs, ours in _arrays(evidence):
        if factor := _factor(evidence, theirs, ours):
            return Match(NUMBERS, f"after {name}, the port has {factor:.6g} times Keras's values")
        return None
    return None


def _scaled_output(evidence: Evidence) -> Match | None:
    """Recognises an output of the model that is a multiple of Keras's."""
    form = str(evidence.port.facts.get("output_form") or "same")
    key = f"forward/{evidence.mode}/output"
    if key not in evidence.port:
        return None
    factor = _factor(evidence, in_form(evidence.keras, evidence.mode, form), evidence.port[key])
    return Match(NUMBERS, f"the port returns {factor:.6g} times Keras's values") if factor else None


def _factor(evidence: Evidence, theirs: np.ndarray, ours: np.ndarray) -> float:
    """Returns what Keras's values times that are the port's; 0 if there is no such number."""
    if theirs.shape != ours.shape or not theirs.size or evidence.is_close(theirs, ours):
        return 0.0
    largest = np.unravel_index(int(np.abs(theirs).argmax()), theirs.shape)
    factor = float(ours[largest] / theirs[largest]) if theirs[largest] else 0.0
    return factor if factor and evidence.is_close(factor * theirs, ours) else 0.0


# --- a function in the code of a model -----------------------------------------------------------


def _functions(evidence: Evidence) -> tuple[str, str, str] | None:
    """Returns (after which layer, Keras's function, the port's) of two functions of single values.

    What is computed in the code of a model is no layer of its own: what goes in is the output of
    the layer before, and what comes of it is the input of the next.
    """
    if not evidence.is_forward() or not evidence.is_input:
        return None
    for name, x, theirs, ours in itertools.chain(_arrays(evidence), _outputs(evidence)):
        if not x.shape == theirs.shape == ours.shape or evidence.is_close(theirs, ours):
            continue
        if (slopes := (_slope(x, theirs), _slope(x, ours))) and None not in slopes:
            return name, f"leaky_relu ({slopes[0]:.3g})", f"leaky_relu ({slopes[1]:.3g})"
        found = [
            next((n for n, f in ACTIVATIONS.items() if is_close(f(x), made, OF_FLOAT32)), None)
            for made in (theirs, ours)
        ]
        if found[0] is not None and found[1] is not None and found[0] != found[1]:
            return name, found[0], found[1]
    return None


def _outputs(evidence: Evidence) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields the same as `_arrays` for all earlier layers, if it is not known what comes before."""
    found = evidence.failing_input()
    if found is None or evidence.source(found[0]) is not None:
        return
    for node in evidence.keras.facts["nodes"]:
        if evidence.node is not None and node["name"] == evidence.node["name"]:
            return
        if (key := f"forward/{evidence.mode}/{node['name']}/output") in evidence.keras:
            yield node["name"], evidence.keras[key], *found[1:]


def _slope(x: np.ndarray, made: np.ndarray) -> float | None:
    """Returns the slope of a leaky ReLU below zero, if numbers were made by one."""
    below = x < 0
    if not below.any() or not (~below).any():
        return None
    lowest = x == x.min()
    slope = float(made[lowest][0] / x.min())
    is_leaky = 0 < slope < 1 and is_close(np.where(below, slope * x, x), made, OF_FLOAT32)
    return slope if is_leaky else None


def other_function(evidence: Evidence, kind: str) -> Match | None:
    """Recognises another function of single values in the code of a model.

    Args:
        evidence: of an input of a layer.
        kind: "gelu" or "leaky_relu" for another constant of it; "" for any other function.
    """
    found = evidence.once(_functions)
    if found is None:
        return None
    name, theirs, ours = found
    same = theirs.partition(" ")[0]
    if kind != (same if same == ours.partition(" ")[0] else ""):
        return None
    return Match(NUMBERS, f"after {name}, {theirs} in Keras, {ours} in the port")


def other_part(evidence: Evidence) -> Match | None:
    """Recognises a layer that gets another part of the tensor of which Keras gives it a part."""
    found = evidence.failing_input()
    if found is None:
        return None
    _, theirs, ours = found
    if theirs.shape != ours.shape:
        return None
    for node in evidence.keras.facts["nodes"]:
        key = f"forward/{evidence.mode}/{node['name']}/output"
        if key not in evidence.keras or evidence.keras[key].ndim != theirs.ndim:
            continue
        whole = evidence.keras[key]
        for axis in range(1, theirs.ndim):
            number, rest = divmod(whole.shape[axis], max(theirs.shape[axis], 1))
            others = (whole.shape[:axis], whole.shape[axis + 1 :])
            same = others == (theirs.shape[:axis], theirs.shape[axis + 1 :])
            if rest or not same or not 1 < number <= _MOST_PARTS:
                continue
            parts = np.split(whole, number, axis=axis)
            places = [
                next((n for n, part in enumerate(parts) if evidence.is_close(part, made)), None)
                for made in (theirs, ours)
            ]
            if None not in places and places[0] != places[1]:
                text = f"part {places[1]} of {number} of {node['name']}"
                return Match(NUMBERS, f"the port takes {text}, Keras part {places[0]}")
    return None


def moved_dropout(evidence: Evidence) -> Match | None:
    """Recognises a dropout that gets the output of another layer than in Keras."""
    nodes = evidence.keras.facts["nodes"]
    if evidence.level.id != "forward":
        return None
    item = evidence.item
    if "absent" in (item.keras, item.torch):
        left, others = _unpaired_dropouts(evidence)
        if left and others and item.name in (*left, *others):
            there = module_text(others[0])
            return Match(NUMBERS, f"{left[0]} in Keras, {there} at another place in the port")
        return None
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    number, _, ours = found
    if evidence.kind != "dropout":
        before = evidence.source(number)
        if before is None or before["kind"] != "dropout" or not evidence.is_paired(before):
            return None
        if not evidence.is_recorded(f"{before['name']}/input/0", ours):
            return None
        name = evidence.node["name"]
        return Match(NUMBERS, f"{name} gets what is not dropped yet: {before['name']} comes later")
    for other in nodes:
        if evidence.is_recorded(f"{other['name']}/output", ours):
            return Match(
                NUMBERS, f"{evidence.node['name']} comes after {other['name']} in the port"
            )
    return None


def _unpaired_dropouts(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Returns the names of the dropouts of both halves that have no partner."""
    names = {*evidence.port.facts["keras_left"], *evidence.port.facts["torch_left"]}

    def left(nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [node for node in nodes if node["kind"] == "dropout" and node["name"] in names]

    others = left(evidence.port.facts["nodes"])
    theirs = [node["name"] for node in left(evidence.keras.facts["nodes"])]
    return theirs, [call["name"] for call in others if call["rate"]]


RULES: dict[str, Recogniser] = {
    "C16": moved_dropout,
    "A26": lambda evidence: _reshaped(evidence) or _reshaped_output(evidence),
    "A27": lambda evidence: _scaled(evidence) or related(AFFINE)(evidence),
}
