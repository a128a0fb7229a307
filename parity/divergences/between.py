"""Divergences between two layers: what the port makes of Keras's output before the next layer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from parity.divergences.divergence import NUMBERS, SETTINGS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.names import module_text

_MAX_AXES = 5  # 120 orders


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
    x, made, own = evidence.keras_input(), evidence.keras_output(), evidence.own_output()
    if evidence.is_own and x is not None and made is not None and own is not None:
        yield str(evidence.config.get("name")), x, made, own


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
                    told = "as it is" if axes == tuple(range(1, x.ndim)) else f"in the order {axes}"
                    return Match(NUMBERS, f"the port reshapes {name} {told}")
        return Match(SETTINGS, f"the port has the numbers of {name} in a different order")
    found = evidence.failing_input()
    return None if found is None else _in_another_order(evidence, *found[1:])


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
        for told, value in values.items():
            if value.size == ours.size and evidence.is_close(value.reshape(ours.shape), ours):
                return Match(NUMBERS, f"the port takes {told} of what comes to {name}")
    return None


def _scaled(evidence: Evidence) -> Match | None:
    if not evidence.is_forward():
        return None
    for name, _, theirs, ours in _arrays(evidence):
        if theirs.shape != ours.shape or evidence.is_close(theirs, ours):
            return None
        largest = np.unravel_index(int(np.abs(theirs).argmax()), theirs.shape)
        factor = float(ours[largest] / theirs[largest]) if theirs[largest] else 0.0
        if factor and evidence.is_close(factor * theirs, ours):
            return Match(NUMBERS, f"after {name}, the port has {factor:.6g} times Keras's values")
        return None
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
    if evidence.kind != "dropout" or found is None or evidence.node is None:
        return None
    _, _, ours = found
    for other in nodes:
        if evidence.is_recorded(f"{other['name']}/output", ours):
            return Match(
                NUMBERS, f"{evidence.node['name']} comes after {other['name']} in the port"
            )
    return None


def _unpaired_dropouts(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Returns the names of the dropouts of both halves that have no partner."""
    names = {*evidence.port.facts["keras_left"], *evidence.port.facts["torch_left"]}
    left, others = (
        [
            node
            for node in half.facts["nodes"]
            if node["kind"] == "dropout" and node["name"] in names
        ]
        for half in (evidence.keras, evidence.port)
    )
    return [n["name"] for n in left], [call["name"] for call in others if call["rate"]]


RULES: dict[str, Recogniser] = {
    "C16": moved_dropout,
    "A26": lambda evidence: _reshaped(evidence) or _reshaped_output(evidence),
    "A27": _scaled,
}
