"""Numbers of Python in float64, which TensorFlow makes float32 whatever Keras's dtype is.

`keras.ops.log(1000.0)` and `keras.ops.linspace` of it are float32 in a float64 run, and what comes
of them is rounded as a float32 run would round it: an angle of 6283 x is off by 1e-4. The code of
layers and of the user is to be computed in float64 throughout. The rest of Keras stays as it is,
such as a callback that compares two losses in float32. Keras 3 only.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import keras

from parity.halves.keras import versions

# Whose operations look the function up by its name. A cast does not: `core`.
_MODULES = ("", ".numpy", ".math")
_VARIABLES = "keras.src.backend.common.variables"
_BEFORE_NUMPY = 100  # as TensorFlow's tensors have it: NumPy leaves an operator to them
# Between an operation and who calls it.
_OF_OPERATIONS = ("keras.src.backend", "keras.src.ops", "keras.src.utils.traceback_utils")


def install() -> None:
    """Lets Keras's operations keep numbers in float64 from now on, in float64 runs alone."""
    if versions.IS_KERAS_2:
        return
    # For np.float64(0.9) * variable NumPy would read the variable's value, which a graph has not.
    importlib.import_module(_VARIABLES).Variable.__array_priority__ = _BEFORE_NUMPY
    for name in _MODULES:
        module: Any = importlib.import_module(f"keras.src.backend.tensorflow{name}")
        if not hasattr(module.convert_to_tensor, "_keeps_numbers"):
            module.convert_to_tensor = _keeping_numbers(module.convert_to_tensor)


def with_numbers_of_python(model: keras.Model) -> None:
    """Makes numbers of Python of the scalars of NumPy that layers and optimizer have as settings.

    TensorFlow computes with a np.float32 in float32, as it does with a number of Python.
    """
    for part in (*model._flatten_layers(), getattr(model, "optimizer", None)):
        attributes = vars(part) if part is not None else {}
        for name, value in list(attributes.items()):
            attributes[name] = versions.python_number(value)


def _keeping_numbers(convert: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(convert)
    def converted(x: Any, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
        is_number = dtype is None and isinstance(x, float)
        if is_number and keras.config.floatx() == "float64" and _is_by_user():
            dtype = "float64"
        return convert(x, dtype, *arguments, **keywords)

    converted._keeps_numbers = True  # type: ignore[attr-defined]
    return converted


def _is_by_user() -> bool:
    """Whether code of the user's, or a layer, calls the operation that converts a number now."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_OF_OPERATIONS):
            return name.startswith("keras.src.layers") or name.partition(".")[0] != "keras"
        frame = frame.f_back
    return True
