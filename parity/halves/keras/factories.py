"""The user's own Keras program: its factory imported, seeded and called in a dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras

from keras_impl.reference import Reference, SettingsError
from parity.errors import InputError, as_input_error
from parity.halves.keras import (
    data_layers,
    float64_layers,
    float64_numbers,
    float64_pools,
    one_replica,
    own_schedules,
    versions,
)
from parity.halves.keras.casts import in_float64
from parity.programs.backend import raise_refused
from parity.programs.factories import UserFactory, load_factory

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
    own_schedules.adapt(reference.model)
    return reference


def begin(dtype: str) -> None:
    """Makes a dtype that of all that is built or imported from now on."""
    versions.use_dtype(dtype)
    data_layers.install()
    one_replica.install()
    if dtype == "float64":
        float64_pools.install()
        float64_numbers.install()
        float64_layers.install()


def building(dtype: str) -> AbstractContextManager[None]:
    """Returns a context in which layers are built and called in a dtype."""
    return in_float64() if dtype == "float64" else nullcontext()
