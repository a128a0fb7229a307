"""Divergences of schedules by step: Keras's formulas with other constants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.schedules import scaled
from parity.divergences.stairs import STAIRED, Config, Formula, gives

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

_NUMBERS = (
    *("decay_steps", "decay_rate", "alpha", "power", "end_learning_rate"),
    *("initial_learning_rate", "warmup_steps"),
)
_NOTHING = 1e-12  # of a rate


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


_FORMULAS: dict[str, Formula] = {
    **STAIRED,
    "PolynomialDecay": _polynomial,
    "CosineDecay": _cosine,
    "PiecewiseConstantDecay": _piecewise,
}


def _changes(
    name: str, c: Config, formula: Formula, steps: Sequence[int], ours: np.ndarray
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields (ID, other constants, text) to try: a number is found where the rates differ most."""
    if "staircase" in c:
        told = "smoothly" if c["staircase"] else "in steps"
        yield "G14", {"staircase": not c["staircase"]}, f"the port's rate falls {told}"
    theirs = np.array([formula(step, c) for step in steps])
    order = np.argsort(-np.abs(theirs - ours))[:3]
    for key in _NUMBERS:
        said = c.get(key)
        if isinstance(said, bool) or not isinstance(said, int | float):
            continue
        values = {0.0, 1.0}
        for place in order:
            values |= set(_solved(formula, c, key, steps[place], float(ours[place])))
        for value in sorted(values - {said}):
            yield "G15", {key: value}, f"{key} {said:g} in Keras, {value:.6g} in the port"
    if c.get("warmup_target") is not None:
        yield "G15", {"warmup_target": None}, "the port does not warm up"
    if name == "PiecewiseConstantDecay":
        for shift in (-1, 1):
            moved = [boundary + shift for boundary in c["boundaries"]]
            yield "G15", {"boundaries": moved}, f"boundaries {c['boundaries']} in Keras, {moved}"


def _solved(formula: Formula, c: Config, key: str, step: int, rate: float) -> Iterator[float]:
    """Yields the values of a constant, from a tenth to ten times Keras's, that give a rate."""
    from scipy import optimize  # as long to import as all else of this package

    grid = float(c[key] or 1.0) * np.geomspace(0.1, 10, 101)

    def error(value: float) -> float:
        return formula(step, {**c, key: value}) - rate

    errors = [error(float(value)) for value in grid]
    for n in range(len(grid) - 1):
        if errors[n] * errors[n + 1] < 0:
            found = float(optimize.brentq(error, grid[n], grid[n + 1], xtol=1e-15, rtol=1e-14))
            yield float(f"{found:.4g}")  # a number that a person writes
            yield found


def _found(evidence: Evidence) -> tuple[str, str] | None:
    facts, key = evidence.keras.facts["schedule"], "schedule/steps"
    if evidence.level.id != "schedule" or key not in evidence.port or key not in evidence.keras:
        return None
    name, config = str(facts.get("kind")), facts.get("config") or {}
    ours, formula = evidence.port[key], _FORMULAS.get(name)
    steps = probe_inputs.SCHEDULE_STEPS[: len(ours)]
    if formula is None or not gives(formula, config, steps, evidence.keras[key], _NOTHING):
        return None
    found = [
        (identity, text)
        for identity, change, text in _changes(name, config, formula, steps, ours)
        if gives(formula, {**config, **change}, steps, ours, _NOTHING)
    ]
    # Another rate of decay can be written as other steps: the number that a person writes is short.
    return min(found, key=lambda pair: len(pair[1].partition(", ")[2]), default=None)


def _is(name: str) -> Recogniser:
    def recognise(evidence: Evidence) -> Match | None:
        found = evidence.once(_found)
        return Match(NUMBERS, found[1]) if found is not None and found[0] == name else None

    return recognise


RULES: dict[str, Recogniser] = {
    "G14": _is("G14"),
    "G15": lambda evidence: _is("G15")(evidence) or scaled(evidence),
}
