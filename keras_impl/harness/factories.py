"""Reference: the user's own Keras program, as `parity` takes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras

from keras_impl.harness import float64_pools, versions
from keras_impl.harness.casts import in_float64
from parity.errors import InputError


@dataclass(frozen=True)
class Reference:
    """What a Keras factory returns when a compiled model alone does not say everything.

    All but `model` and `input_shapes` is what `fit` gets, under its names and with its defaults.

    Attributes:
        model: compiled, so that it has a loss and an optimizer.
        callbacks: ReduceLROnPlateau, EarlyStopping and LearningRateScheduler are compared.
        class_weight: from label to weight.
        input_shapes: shape of one sample for each input; only needed for a subclassed model, which
            does not know them.
        x: inputs; None: the data of the program.
        y: targets.
        sample_weight: weights of the samples.
        validation_data: (x, y), (x, y, weight), or batches.
        validation_split: share of the samples, the last ones.
        batch_size: samples in a step.
        epochs: number of epochs.
        shuffle: whether samples of arrays are shuffled.
        initial_epoch: number of the first epoch.
        steps_per_epoch: number of steps of an epoch.
        validation_steps: number of batches of a validation.
        validation_batch_size: samples in a batch of validation.
        validation_freq: which epochs are validated.
    """

    model: keras.Model
    callbacks: Sequence[Any] = ()
    class_weight: Mapping[int, float] | None = None
    input_shapes: Sequence[tuple[int | None, ...]] = ()
    x: Any = None
    y: Any = None
    sample_weight: Any = None
    validation_data: Any = None
    validation_split: float = 0.0
    batch_size: int | None = None
    epochs: int = 1
    shuffle: bool | str = True
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_batch_size: int | None = None
    validation_freq: int | Sequence[int] = 1

    def fit_arguments(self) -> dict[str, Any]:
        """Returns what `fit` gets."""
        left_out = ("model", "input_shapes")
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if name not in left_out}


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
    versions.use_dtype(dtype)
    if dtype == "float64":
        float64_pools.install()
    keras.utils.set_random_seed(seed)
    with building(dtype):
        built = factory()
    if dtype == "float64":
        versions.use_dtype(dtype)  # the factory may have set another one, or a mixed policy
    reference = built if isinstance(built, Reference) else Reference(built)
    if not isinstance(reference.model, keras.Model):
        raise InputError(
            f"the Keras factory returned {type(built).__name__}; expected a compiled keras.Model, "
            "or keras_impl.Reference(model=...)"
        )
    return reference


def building(dtype: str) -> AbstractContextManager[None]:
    """Returns a context in which layers are built and called in a dtype."""
    return in_float64() if dtype == "float64" else nullcontext()
