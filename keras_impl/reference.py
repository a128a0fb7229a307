"""Reference and Input: what a factory of a user's Keras program returns."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

KINDS = ("tokens", "numbers", "image", "booleans")
# Where token 0 fills up a sequence: nowhere, at its end, or anywhere.
PADDINGS = ("none", "post", "any")

_DTYPES = ("float", "int", "uint", "bool")


class SettingsError(ValueError):
    """Arguments of an Input are unknown, or do not fit together."""


@dataclass(frozen=True)
class Input:
    """What an input of a Keras model is, where a check does not find it out by itself.

    All is optional: what is not said is taken from the model, and from what it does with the input.

    Attributes:
        shape: of one sample, None for an open side; needed for a subclassed model only.
        kind: "tokens", whole numbers that choose rows of a table; "numbers", of both signs;
            "image", whole numbers from 0 to 255; or "booleans".
        count: number of tokens, which are from 0 to `count` - 1.
        range: smallest and largest number, or token.
        padding: where token 0, or the value of `Masking`, fills up a sequence: "post", at its end;
            "any", also at its beginning and in the middle; "none". None: "any" if the model masks
            it, and "post" if a recurrent layer gets that mask.
        dtype: of the data, "int32", "bool" or the like; for a subclassed model only.

    Raises:
        SettingsError: settings are unknown, or do not fit together.
    """

    shape: tuple[int | None, ...] | None = None
    kind: str | None = None
    count: int | None = None
    range: tuple[float, float] | None = None
    padding: str | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise self._wrong("kind", "one of " + ", ".join(KINDS))
        if self.padding is not None and self.padding not in PADDINGS:
            raise self._wrong("padding", "one of " + ", ".join(PADDINGS))
        if self.shape is not None and not _is_shape(self.shape):
            raise self._wrong("shape", "whole numbers of at least 1, or None, without the batch")
        if self.dtype is not None and not str(self.dtype).startswith(_DTYPES):
            raise self._wrong("dtype", "the name of one of numbers, such as 'int32'")
        if self.count is not None and not (_is_whole(self.count) and self.count >= 1):
            raise self._wrong("count", "a whole number of at least 1")
        if self.range is not None and not _is_range(self.range):
            raise self._wrong("range", "two finite numbers, the smaller one first")
        if self.count is not None and self.range is not None:
            raise SettingsError("Input(count=..., range=...): expected one of them")
        if self.kind == "tokens" and self.limits is None:
            raise SettingsError("Input(kind='tokens'): expected their number, count=..., too")
        if self.kind not in (None, "tokens") and self.count is not None:
            raise self._wrong("count", f"none, since kind is {self.kind!r}")
        if self.kind == "booleans" and self.range is not None:
            raise self._wrong("range", "none, since kind is 'booleans'")
        if self.kind == "tokens" and not all(map(_is_whole, self.range or ())):
            raise self._wrong("range", "whole numbers, since kind is 'tokens'")

    @property
    def limits(self) -> tuple[float, float] | None:
        """Smallest and largest number or token, or None."""
        return self.range if self.count is None else (0, self.count - 1)

    def _wrong(self, name: str, expected: str) -> SettingsError:
        return SettingsError(f"Input({name}={getattr(self, name)!r}): expected {expected}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple | list) and all(
        side is None or (_is_whole(side) and side >= 1) for side in shape
    )


def _is_range(given: Any) -> bool:
    is_pair = isinstance(given, tuple | list) and len(given) == 2
    if not is_pair or not all(isinstance(x, numbers.Real) and math.isfinite(x) for x in given):
        return False
    return bool(given[0] <= given[1])


@dataclass(frozen=True)
class Reference:
    """What a Keras factory returns when a compiled model alone does not say everything.

    All but `model`, `input_shapes` and `inputs` is what `fit` gets, under its names and with its
    defaults.

    Attributes:
        model: compiled, so that it has a loss and an optimizer.
        callbacks: ReduceLROnPlateau, EarlyStopping and LearningRateScheduler are compared.
        class_weight: from label to weight.
        input_shapes: shape of one sample for each input; only needed for a subclassed model, which
            does not know them, and which gets no arrays as `x`.
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
        inputs: what each input is, `Input` or None, in the list, tuple or dictionary in which the
            model takes them, or a dictionary by their names; of a subclassed model, in the place of
            `input_shapes`.
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
    inputs: Any = None

    def fit_arguments(self) -> dict[str, Any]:
        """Returns what `fit` gets."""
        not_for_fit = ("model", "input_shapes", "inputs")
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if name not in not_for_fit}
