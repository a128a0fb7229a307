"""Keras's schedules with stairs, and the steps at which a compiled graph falls later than they do.

It imports nothing of this project, since both the probes and whole trainings look here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Config = Mapping[str, Any]
Formula = Callable[[float, Config], float]
NEAR = 1e-5  # relative: Keras computes schedules in float32


def _exponential(step: float, c: Config) -> float:
    return float(c["initial_learning_rate"] * c["decay_rate"] ** _share(step, c))


def _inverse_time(step: float, c: Config) -> float:
    return float(c["initial_learning_rate"] / (1 + c["decay_rate"] * _share(step, c)))


def _share(step: float, c: Config) -> float:
    share: float = step / c["decay_steps"]
    return math.floor(share) if c["staircase"] else share


STAIRED: dict[str, Formula] = {
    "ExponentialDecay": _exponential,
    "InverseTimeDecay": _inverse_time,
}


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
    if name not in STAIRED or not c.get("staircase"):
        return None
    size = min(len(theirs), len(ours))
    theirs, ours = theirs[:size], ours[:size]
    formula, length = STAIRED[name], c["decay_steps"]
    apart = np.flatnonzero(~np.isclose(ours, theirs, rtol=NEAR, atol=0.0))
    steps = np.arange(size)
    kinds: tuple[Any, ...] = (np.float32, np.float64)
    for number in kinds:
        divided = np.floor(steps.astype(number) / number(length))
        multiplied = np.floor(steps.astype(number) * (number(1) / number(length)))
        late = np.flatnonzero(divided != multiplied)
        if not len(late) or not np.array_equal(late, apart):
            continue
        divides = gives(formula, c, late.tolist(), ours[late])
        if divides and gives(formula, c, (late - 1).tolist(), theirs[late]):
            first = int(late[0])
            return (
                f"after {first} steps, floor({first} / {length}) is {divided[first]:.0f} and "
                f"floor({first} * (1 / {length})) is {multiplied[first]:.0f} in {number.__name__}; "
                f"the rates differ at {_told(len(late))} of this kind, and at no other"
            )
    return None


def _told(number: int) -> str:
    return "the one step" if number == 1 else f"the {number} steps"


def gives(
    formula: Formula, c: Config, steps: Sequence[int], rates: np.ndarray, atol: float = 0.0
) -> bool:
    """Whether a formula with a configuration gives the rates of some steps.

    Args:
        formula: of a schedule.
        c: its configuration.
        steps: numbers of steps.
        rates: (steps,), within 1e-5 of themselves.
        atol: and within this.
    """
    try:
        value = np.array([formula(step, c) for step in steps])
    except (ArithmeticError, IndexError):  # such as no steps at all
        return False
    is_alike = value.shape == rates.shape
    return is_alike and bool(np.allclose(value, rates, rtol=NEAR, atol=atol))
