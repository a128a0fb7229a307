"""Reference: the user's own Keras program, as `parity check` and `parity record` take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_impl.harness import versions
from parity.errors import InputError


@dataclass(frozen=True)
class Reference:
    """What a Keras factory returns, where a compiled model alone does not say everything.

    Attributes:
        model: compiled, so that it has loss and optimizer.
        callbacks: that are given to `fit`; ReduceLROnPlateau, EarlyStopping and
            LearningRateScheduler are compared.
        class_weight: that is given to `fit`: label to weight.
        input_shapes: of one sample, an entry for each input; only for a subclassed model, which
            does not know them.
    """

    model: keras.Model
    callbacks: Sequence[Any] = ()
    class_weight: Mapping[int, float] | None = None
    input_shapes: Sequence[tuple[int | None, ...]] = ()


def call_factory(factory: Callable[[], Any], seed: int) -> Reference:
    """Calls a factory in a process that is as if nothing had been built in it before.

    Args:
        factory: returns a compiled model or a Reference.
        seed: of `keras.utils.set_random_seed`.

    Raises:
        InputError: it returns something else.
    """
    versions.clear_session()  # names of layers are counted for the whole process
    keras.utils.set_random_seed(seed)
    built = factory()
    reference = built if isinstance(built, Reference) else Reference(built)
    if not isinstance(reference.model, keras.Model):
        raise InputError(
            f"the Keras factory returned {type(built).__name__}; expected a compiled keras.Model, "
            "or keras_impl.Reference(model=...)"
        )
    return reference
