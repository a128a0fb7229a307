"""Divergences of schedules by step: Keras's formulas with other constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.schedules import scaled

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Config = Mapping[str, Any]
_NEAR = 1e-5  # relative: Keras computes schedules in float32


def _exponential(step: float, c: Config) -> float:
    return float(c["initial_learning_rate"] * c["decay_rate"] ** _share(step, c))


def _inverse_time(step: float, c: Config) -> float:
    return float(c["initial_learning_rate"] / (1 + c["decay_rate"] * _share(step, c)))


def _share(step: float, c: Config) -> float:
    share: float = step / c["decay_steps"]
    return math.floor(share) if c["staircase"] else share


def _polynomial(step: float, c: Config) -> float:
    share = 1 - min(step, c["decay_steps"]) / c["decay_steps"]
    span = c["initial_learning_rate"] - c["end_learning_rate"]
    return float(span * share ** c["power"] + c["end_learning_rate"])


def _cosine(step: float, c: Config) -> float:
    first, steps = c["initial_learning_rate"], c["decay_steps"]
    warmup, target = c.get("warmup_steps") or 0, c.get("warmup_target")
    if target is not None and step < warmup:
        return float(first + (target - first) * step / warmup)
    top = first if target is None else target
    share = min(step - (warmup if target is not None else 0), steps) / steps
    alpha = c.get("alpha") or 0.0
    return float(top * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * share)) + alpha))


def _piecewise(step: float, c: Config) -> float:
    place = sum(step > boundary for boundary in c["boundaries"])
    return float(c["values"][place])


_FORMULAS: dict[str, Callable[[float, Config], float]] = {
    "ExponentialDecay": _exponential,
    "InverseTimeDecay": _inverse_time,
    "PolynomialDecay": _polynomial,
    "CosineDecay": _cosine,
    "PiecewiseConstantDecay": _piecewise,
}


def _changes(name: str, c: Config) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields (ID, other constants, text) to try."""
    if "staircase" in c:
        told = "smoothly" if c["staircase"] else "in steps"
        yield "G14", {"staircase": not c["staircase"]}, f"the port's rate falls {told}"
    said = c.get("decay_steps")
    for steps in (said / 2, 2 * said, said / 10, 10 * said, said - 1, said + 1) if said else ():
        if steps > 0:
            text = f"decay_steps {said:g} in Keras, {steps:g} in the port"
            yield "G15", {"decay_steps": steps}, text
    for key, values in {
        "alpha": (0.0, 0.01, 0.1),
        "power": (1.0, 2.0, 0.5),
        "end_learning_rate": (0.0, 1e-4, 1e-5, 1e-6),
        "decay_rate": (0.9, 0.95, 0.96, 0.99, 0.5, 0.1),
        "warmup_target": (None,),
    }.items():
        for value in values if key in c else ():
            if value != c[key]:
                yield "G15", {key: value}, f"{key} {c[key]} in Keras, {value} in the port"
    if name == "PiecewiseConstantDecay":
        for shift in (-1, 1):
            moved = [boundary + shift for boundary in c["boundaries"]]
            yield "G15", {"boundaries": moved}, f"boundaries {c['boundaries']} in Keras, {moved}"


def _found(evidence: Evidence) -> tuple[str, str] | None:
    facts, key = evidence.keras.facts["schedule"], "schedule/steps"
    if evidence.level.id != "schedule" or key not in evidence.port or key not in evidence.keras:
        return None
    name, config = str(facts.get("kind")), facts.get("config") or {}
    ours, formula = evidence.port[key], _FORMULAS.get(name)
    steps = probe_inputs.SCHEDULE_STEPS[: len(ours)]
    if formula is None or not _gives(formula, config, steps, evidence.keras[key]):
        return None
    for identity, change, text in _changes(name, config):
        if _gives(formula, {**config, **change}, steps, ours):
            return identity, text
    return None


def _gives(
    formula: Callable[[float, Config], float], c: Config, steps: tuple[int, ...], rates: np.ndarray
) -> bool:
    value = np.array([formula(step, c) for step in steps])
    return value.shape == rates.shape and bool(np.allclose(value, rates, rtol=_NEAR, atol=1e-12))


def _is(name: str) -> Recogniser:
    def recognise(evidence: Evidence) -> Match | None:
        found = evidence.once(_found)
        return Match(NUMBERS, found[1]) if found is not None and found[0] == name else None

    return recognise


RULES: dict[str, Recogniser] = {
    "G14": _is("G14"),
    "G15": lambda evidence: _is("G15")(evidence) or scaled(evidence),
}
