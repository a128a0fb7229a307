"""Divergences of schedules by step: Keras's formulas with other constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize

from parity.data import probe_inputs
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.schedules import scaled

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Config = Mapping[str, Any]
Formula = Callable[[float, Config], float]
_NUMBERS = (
    *("decay_steps", "decay_rate", "alpha", "power", "end_learning_rate"),
    *("initial_learning_rate", "warmup_steps"),
)
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


_FORMULAS: dict[str, Formula] = {
    "ExponentialDecay": _exponential,
    "InverseTimeDecay": _inverse_time,
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
    if formula is None or not _gives(formula, config, steps, evidence.keras[key]):
        return None
    found = [
        (identity, text)
        for identity, change, text in _changes(name, config, formula, steps, ours)
        if _gives(formula, {**config, **change}, steps, ours)
    ]
    # Another rate of decay can be written as other steps: the number that a person writes is short.
    return min(found, key=lambda pair: len(pair[1].partition(", ")[2]), default=None)


def _gives(
    formula: Formula, c: Config, steps: Sequence[int] | np.ndarray, rates: np.ndarray
) -> bool:
    try:
        value = np.array([formula(step, c) for step in steps])
    except (ArithmeticError, IndexError):  # such as no steps at all
        return False
    return value.shape == rates.shape and bool(np.allclose(value, rates, rtol=_NEAR, atol=1e-12))


def late_stairs(name: str, c: Config, theirs: np.ndarray, ours: np.ndarray) -> str | None:
    """Says why the rates of a stair of Keras's fall later than those of a port that divides.

    In the compiled graph of `fit`, TensorFlow multiplies the step by the reciprocal of decay_steps,
    which is rounded: floor(41 * (1 / 41)) is 0 in float32, where floor(41 / 41) is 1.

    Args:
        name: class of Keras's schedule.
        c: its configuration.
        theirs: Keras's rate of each step of `fit`, from the first.
        ours: the port's, of the same steps.

    Returns:
        None unless the rates differ at these steps, all of them and no others, and the port's are
        those of the formula there and Keras's those of one step before.
    """
    if name not in ("ExponentialDecay", "InverseTimeDecay") or not c.get("staircase"):
        return None
    size = min(len(theirs), len(ours))
    theirs, ours = theirs[:size], ours[:size]
    formula, length = _FORMULAS[name], c["decay_steps"]
    apart = np.flatnonzero(~np.isclose(ours, theirs, rtol=_NEAR, atol=0.0))
    steps: Any = np.arange(size)
    number: Any
    for number in (np.float32, np.float64):
        divided = np.floor(steps.astype(number) / number(length))
        multiplied = np.floor(steps.astype(number) * (number(1) / number(length)))
        late = np.flatnonzero(divided != multiplied)
        if not len(late) or not np.array_equal(late, apart):
            continue
        if _gives(formula, c, late, ours[late]) and _gives(formula, c, late - 1, theirs[late]):
            first = int(late[0])
            return (
                f"after {first} steps, floor({first} / {length}) is {divided[first]:.0f} and "
                f"floor({first} * (1 / {length})) is {multiplied[first]:.0f} in {number.__name__}; "
                f"the rates differ at {_told(len(late))} of this kind, and at no other"
            )
    return None


def _told(number: int) -> str:
    return "the one step" if number == 1 else f"the {number} steps"


def _is(name: str) -> Recogniser:
    def recognise(evidence: Evidence) -> Match | None:
        found = evidence.once(_found)
        return Match(NUMBERS, found[1]) if found is not None and found[0] == name else None

    return recognise


RULES: dict[str, Recogniser] = {
    "G14": _is("G14"),
    "G15": lambda evidence: _is("G15")(evidence) or scaled(evidence),
}
