"""What TensorFlow makes of a number of a shape that is known, such as the root of a width."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.weights.tf_operations.nodes import FLOATS, Refused

# By TensorFlow's names, as `plain_name` returns them.
NUMBERS: dict[str, Callable[..., Any]] = {
    "cast": lambda x, dtype: float(x) if dtype in FLOATS else int(x),
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "floor_div": operator.floordiv,
    "pow": operator.pow,
}


def number_of(name: str, given: Sequence[Any]) -> int | float:
    """Returns what an operation makes of numbers; floating point is of float32.

    Raises:
        Refused: they are no numbers, or the operation is not defined for them.
    """
    values = [np.float32(each) if isinstance(each, float) else each for each in given]
    try:
        found = NUMBERS[name](*values)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Refused("of numbers alone, for which it is not defined") from error
    if not isinstance(found, int | float | np.floating):
        raise Refused("of what is no tensor and no number")
    return found if isinstance(found, int) else float(np.float32(found))
