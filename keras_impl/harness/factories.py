"""Reference: the user's own Keras program, as `parity check` and `parity record` take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_impl.harness import versions
from keras_impl.harness.casts import in_float64
from parity.errors import InputError


@dataclass(frozen=True)
class Reference:
    """What a Keras factory returns when a compiled model alone does not say everything.

    Attributes:
        model: compiled, so that it has a loss and an optimizer.
        callbacks: passed to `fit`; ReduceLROnPlateau, EarlyStopping and LearningRateScheduler are
            compared.
        class_weight: passed to `fit`: from label to weight.
        input_shapes: shape of one sample for each input; only needed for a subclassed model, which
            does not know them.
    """

    model: keras.Model
    callbacks: Sequence[Any] = ()
    class_weight: Mapping[int, float] | None = None
    input_shapes: Sequence[tuple[int | None, ...]] = ()


def call_factory(factory: Callable[[], Any], seed: int) -> Reference:
    """Resets Keras, seeds it and calls a factory. All layers are built in float64.

    Args:
        factory: returns a compiled model or a Reference.
        seed: passed to `keras.utils.set_random_seed`.

    Raises:
        InputError: the factory returns something else.
    """
    versions.clear_session()  # Keras numbers layer names through the whole process
    keras.utils.set_random_seed(seed)
    with in_float64():
        built = factory()
    versions.use_float64()  # the factory may have set another dtype, or a mixed policy
    reference = built if isinstance(built, Reference) else Reference(built)
    if not isinstance(reference.model, keras.Model):
        raise InputError(
            f"the Keras factory returned {type(built).__name__}; expected a compiled keras.Model, "
            "or keras_impl.Reference(model=...)"
        )
    return reference
