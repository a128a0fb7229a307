"""The user's Keras program: its factory imported, seeded and called, before any step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference, SettingsError
from parity.errors import InputError, as_input_error, error_message
from parity.halves.keras import float64, float64_numbers, kernels, schedules, versions
from parity.halves.keras.casts import in_float64
from parity.programs.backend import raise_refused
from parity.programs.factories import UserFactory, load_factory
from parity.traces.facts import Notice

# --- The user's own Keras program: its factory imported, seeded and called in a dtype -------------


BATCH_SIZE = 32  # of `fit` without one


def num_trained(reference: Reference, number: int) -> int:
    """Returns how many of `number` samples `fit` trains on; the others are for validation."""
    if reference.validation_split and reference.validation_data is None:
        return math.floor(number * (1.0 - reference.validation_split))
    return number


def user_factory(
    option: str, reference: str, folder: str | Path, seed: int, given: Sequence[Any] = ()
) -> UserFactory:
    """Returns a factory of the user's, which `call_factory` imports for its dtype.

    Args:
        option: the option of the command line, for messages.
        reference: as in `load_factory`.
        folder: as in `load_factory`.
        given: as in `load_factory`.
        seed: passed to `keras.utils.set_random_seed` when a module is imported.
    """

    def load() -> Callable[[], Any]:
        with building(keras.backend.floatx()), as_input_error(SettingsError):
            return load_factory(option, reference, folder, given)

    return UserFactory(
        load, folder, keras.backend.floatx, lambda: keras.utils.set_random_seed(seed)
    )


def call_factory(factory: Callable[[], Any], seed: int, dtype: str = "float64") -> Reference:
    """Resets Keras, seeds it and calls a factory.

    Args:
        factory: returns a compiled model or a Reference.
        seed: passed to `keras.utils.set_random_seed`.
        dtype: "float64": all layers are built in it, whatever they ask for; "float32": the program
            decides.

    Raises:
        InputError: the factory returns something else.
    """
    versions.clear_session()  # Keras numbers layer names through the whole process
    begin(dtype)
    keras.utils.set_random_seed(seed)
    with building(dtype), as_input_error(SettingsError):
        built = factory()
    raise_refused()
    if dtype == "float64":
        versions.use_dtype(dtype)  # the factory may have set another one, or a mixed policy
    reference = built if isinstance(built, Reference) else Reference(built)
    if not isinstance(reference.model, keras.Model):
        raise InputError(
            f"the Keras factory returned {type(built).__name__}; expected a compiled keras.Model, "
            "or keras_impl.Reference(model=...)"
        )
    if dtype == "float64":
        float64_numbers.with_numbers_of_python(reference.model)
    schedules.adapt(reference.model)
    return reference


def begin(dtype: str) -> None:
    """Makes a dtype that of all that is built or imported from now on."""
    versions.use_dtype(dtype)
    kernels.install()
    kernels.install_one_replica()
    if dtype == "float64":
        float64.install_pools()
        float64_numbers.install()
        float64.install()


def building(dtype: str) -> AbstractContextManager[None]:
    """Returns a context in which layers are built and called in a dtype."""
    return in_float64() if dtype == "float64" else nullcontext()


# --- The optimizer of a Keras model before its first step, in float64 -----------------------------
#
# A factory may return a model that has been trained, such as one that `keras.models.load_model`
# read. A port has no slots of it, so a check lets both halves begin anew: counter and slots are
# those of an optimizer with the same configuration. The scale of a loss, which keeps float16 from
# underflow, is left out.


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


def left_out(model: Any) -> list[Notice]:
    """Returns what a check leaves out of the optimizer of such a model."""
    found: list[Notice] = []
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
            f"raises {error_message(error)}; return a model with an optimizer that has "
            "made none, or give it such a configuration"
        ) from error
