"""The optimizer of a Keras model before its first step, in float64.

A factory may return a model that has been trained, such as one that `keras.models.load_model` read.
A port has no slots of it, so a check lets both halves begin anew: counter and slots are those of an
optimizer with the same configuration. The scale of a loss, which keeps float16 from underflow, is
left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_impl.reference import Reference
from parity.errors import InputError, told
from parity.halves.keras.factories import call_factory


def called_anew(factory: Callable[[], Any], seed: int) -> Reference:
    """Calls a factory as `call_factory` does; the optimizer of its model has made no step.

    Raises:
        InputError: the optimizer has made steps, and cannot be made anew of its configuration; or
            the model is one that was returned before.
    """
    reference = call_factory(factory, seed)
    model: Any = reference.model
    if getattr(model, "_parity_returned", False):
        raise InputError(
            f"the Keras factory returned the same model {model.name!r} twice; expected a new one "
            "at each call, since a check changes it: build and compile it inside of the function, "
            "and not at the top of its module"
        )
    model._parity_returned = True
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return reference
    scaled = getattr(optimizer, "inner_optimizer", None)
    model._parity_steps = num_steps(optimizer if scaled is None else scaled)
    model._parity_scale = None if scaled is None else type(optimizer).__name__
    if scaled is not None:
        model.optimizer = optimizer = scaled
    if model._parity_steps:
        model.optimizer = _made_anew(optimizer)
    return reference


def num_steps(optimizer: Any) -> int:
    """Returns the number of steps that an optimizer has made."""
    made = getattr(optimizer, "iterations", 0)
    return int(np.asarray(made.numpy() if hasattr(made, "numpy") else made))


def trained_steps(model: Any) -> int:
    """Returns how many steps a model had made when its factory returned it."""
    return int(getattr(model, "_parity_steps", 0))


def left_out(model: Any) -> list[dict[str, str]]:
    """Returns what a check leaves out of the optimizer of such a model."""
    found = []
    if steps := trained_steps(model):
        why = (
            f"the factory returns a model that has made {steps:,} steps, and a port has none of "
            "its slots: in both halves, the optimizer begins anew, with its present learning rate"
        )
        found.append({"what": "the state of the optimizer", "why": why})
    if scale := getattr(model, "_parity_scale", None):
        why = "a check computes in float64, where no gradient has to be scaled"
        found.append({"what": f"the scale of the loss ({scale})", "why": why})
    return found


def _made_anew(optimizer: Any) -> Any:
    try:
        return type(optimizer).from_config(optimizer.get_config())
    except Exception as error:  # the class may be the user's
        name = type(optimizer).__name__
        raise InputError(
            f"the Keras model's optimizer has made steps, and {name}.from_config(get_config()) "
            f"raises {told(error)}; return a model with an optimizer that has "
            "made none, or give it such a configuration"
        ) from error
