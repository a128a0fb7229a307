"""Divergences of layers that change images at random.

What both halves made of one pattern goes in, as ranges of angles, zooms, shifts and pixels. A rule
that gives the port's range from Keras's setting, such as a factor that is taken as degrees, is the
cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.image_changes import GRAIN, ORIENTATION, by_name
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import differs
from parity.ladder.comparers.images import DRAWN, MOVING, START, layers_before, said

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

IN_EVAL, FLIP, ROTATION, ZOOM, SHIFT = "K1", "K2", "K3", "K4", "K5"
FILLING, PIXELS, ELSEWHERE, MISSING, OTHER = "K6", "K7", "K8", "K9", "K10"
_SETTINGS = (
    *("mode", "factor", "height_factor", "width_factor", "height", "width"),
    *("fill_mode", "fill_value", "interpolation", "value_range"),
)
_NEAR = 0.04  # relative: the greatest of some hundred draws is as near to the end of its range
_GEOMETRY = ("angle", "width", "height", "shift right", "shift down")
_ROUGH = 0.05  # smoothness of an image whose pixels are repeated
_OF_QUANTITY = {
    **dict.fromkeys(ORIENTATION, FLIP),
    "angle": ROTATION,
    **dict.fromkeys(("width", "height"), ZOOM),
    **dict.fromkeys(("shift right", "shift down"), SHIFT),
    **dict.fromkeys(("brightness", "contrast"), PIXELS),
    **dict.fromkeys(("darkest", "brightest", "smoothness"), FILLING),
}


def _found(evidence: Evidence) -> dict[str, Match]:
    """Returns the causes of a difference of a random layer of images, by ID."""
    if evidence.level.id != "forward" or not evidence.kind.startswith(START):
        return {}
    item = evidence.item
    if evidence.mode == "eval":
        is_on = any(fact["in_eval"] for fact in _facts(evidence).values())
        told = f"{evidence.node['name'] if evidence.node else item.name} is off in Keras, on"
        return {IN_EVAL: Match(NUMBERS, f"in eval mode, {told} in the port")} if is_on else {}
    if DRAWN not in item.name:  # a layer of torch_impl, which draws Keras's numbers
        rows = list(_settings(evidence))
        return {OTHER: Match(NUMBERS, "; ".join(rows))} if rows else {}
    samples = next(iter(_samples(evidence)), None)
    if samples is None:
        return {}
    return _of_samples(evidence, item.name.partition(DRAWN)[2].removesuffix(" (train)"), *samples)


def _facts(evidence: Evidence) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = evidence.port.facts.get("augmentation") or {}
    return found


def _samples(
    evidence: Evidence,
) -> Iterator[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray], Mapping[str, Any]]]:
    """Yields Keras's quantities, the port's, and the facts of each place behind the layer."""
    nodes = evidence.keras.facts["nodes"]
    for place, fact in _facts(evidence).items():
        names = [node["name"] for node in layers_before(nodes, place.rpartition("/")[0])]
        key = f"image_changes/{place}"
        is_behind = evidence.node is not None and evidence.node["name"] in names
        if is_behind and key in evidence.keras and key in evidence.port:
            yield by_name(evidence.keras[key]), by_name(evidence.port[key]), fact


def _of_samples(
    evidence: Evidence,
    quantity: str,
    theirs: Mapping[str, np.ndarray],
    ours: Mapping[str, np.ndarray],
    fact: Mapping[str, Any],
) -> dict[str, Match]:
    told = f"{said(quantity, theirs[quantity])} in Keras, {said(quantity, ours[quantity])} here"
    kind = evidence.kind.removeprefix(START)
    if quantity in _GEOMETRY and _is_rough(theirs, ours):
        return {FILLING: Match(NUMBERS, "pixels are interpolated in Keras, repeated in the port")}
    is_missing = _is_off(quantity, ours[quantity]) and not _is_off(quantity, theirs[quantity])
    if is_missing and (quantity in (*ORIENTATION, *_GEOMETRY) or kind not in MOVING):
        beside = [name for name in ORIENTATION if name != quantity]
        if quantity not in ORIENTATION or all(_is_off(name, ours[name]) for name in beside):
            return {MISSING: Match(NUMBERS, f"{told}: the port lacks {kind}")}
    if moved := _elsewhere(evidence, quantity, fact):
        return {ELSEWHERE: Match(NUMBERS, f"{moved}; {told}")}
    name = _OF_QUANTITY[quantity]
    if name == ZOOM and "Contrast" in kind:
        name = PIXELS
    if name == PIXELS and kind in MOVING:  # by what it fills in
        name = FILLING
    rule = _rule_of(evidence, quantity, theirs, ours)
    return {name: Match(NUMBERS, f"{told}{rule}")}


def _rule_of(
    evidence: Evidence,
    quantity: str,
    theirs: Mapping[str, np.ndarray],
    ours: Mapping[str, np.ndarray],
) -> str:
    """Returns the rule that gives the port's range from Keras's settings, in words, or ""."""
    exchanged = {"width": "height", "shift right": "shift down"}
    exchanged |= {b: a for a, b in exchanged.items()}
    if quantity in exchanged:
        pairs = [(theirs[quantity], ours[exchanged[quantity]])]
        pairs.append((theirs[exchanged[quantity]], ours[quantity]))
        if all(math.isclose(_reach(a), _reach(b), rel_tol=_NEAR) for a, b in pairs):
            return ": height and width are exchanged"
    if quantity == "angle":
        factor = max(map(abs, _pair(evidence.config.get("factor"))), default=0.0)
        for number, unit in (
            (factor, "degrees"),
            (math.degrees(factor), "radians"),
            (factor * 180, "a share of half a turn"),
            (factor * 100, "per cent, in degrees"),
        ):
            if number and math.isclose(_reach(ours["angle"]), number, rel_tol=_NEAR):
                return f": the factor {factor:g} is taken as {unit}, not as a share of a turn"
    return ""


def _pair(value: Any) -> Sequence[float]:
    values = value if isinstance(value, list | tuple) else [value]
    return [float(each) for each in values if isinstance(each, int | float)]


def _reach(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).max()) if known.size else math.nan


def _is_off(quantity: str, values: np.ndarray) -> bool:
    return _reach(values) <= GRAIN[quantity] / 30


def _is_rough(theirs: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]) -> bool:
    """Whether the port repeats pixels, and moves the image as Keras does apart from that."""
    is_rough = _reach(ours["smoothness"]) > _ROUGH > 2 * _reach(theirs["smoothness"])
    return is_rough and abs(float(np.std(ours["angle"]) - np.std(theirs["angle"]))) <= 0.15 * max(
        float(np.std(theirs["angle"])), GRAIN["angle"]
    )


def _elsewhere(evidence: Evidence, quantity: str, fact: Mapping[str, Any]) -> str:
    """Returns what the port's transform gets, if the pixels have another range than in Keras."""
    told = evidence.keras.facts.get("augmented_from") or {}
    theirs, ours = next(iter(told.values()), None), fact.get("given")
    is_moved = quantity in _GEOMETRY and evidence.kind.removeprefix(START) in MOVING
    if theirs is None or ours is None or quantity in ORIENTATION or is_moved:
        return ""
    span = max(abs(value) for value in (*theirs, *ours)) or 1.0
    if all(abs(a - b) <= _NEAR * span for a, b in zip(theirs, ours, strict=True)):
        return ""
    low, high = (" to ".join(f"{value:.3g}" for value in pixels) for pixels in (theirs, ours))
    return f"Keras changes pixels of {low}, the port pixels of {high}"


def _settings(evidence: Evidence) -> Iterator[str]:
    """Yields the settings of a layer of torch_impl that are not Keras's."""
    settings = evidence.settings
    for name in _SETTINGS:
        theirs, ours = evidence.config.get(name), settings.get(name)
        if name in settings and differs(_bounds(theirs), _bounds(ours)):
            yield f"{name} {theirs} in Keras, {ours} in the port"


def _bounds(value: Any) -> Any:
    """Returns a factor as two bounds, as both halves read it."""
    return [-value, value] if isinstance(value, float) and value > 0 else value


def _rule(name: str) -> Recogniser:
    return lambda evidence: evidence.once(_found).get(name)


RULES: dict[str, Recogniser] = {
    name: _rule(name)
    for name in (
        *(IN_EVAL, FLIP, ROTATION, ZOOM, SHIFT),
        *(FILLING, PIXELS, ELSEWHERE, MISSING, OTHER),
    )
}
