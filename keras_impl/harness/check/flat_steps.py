"""Steps of an optimizer that treats every number by itself, with all weights in few variables.

Keras's optimizers take some thirty operations for each weight, of which a network has hundreds.
Adam, say, computes with each number alone, so that one long variable gets the same numbers in
thirty operations altogether. The optimizer of the model stays as it is: a copy makes the steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.compiled_rate import has_schedule

# Of Keras, by the name of the class. Lamb, Muon and Adafactor take norms and means of a weight.
_ONE_BY_ONE = frozenset(
    ("SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Ftrl", "Lion")
)
# Settings by which an optimizer looks at a whole weight or its name, or keeps more than slots.
_BY_WEIGHT = (
    *("clipnorm", "global_clipnorm", "use_ema", "gradient_accumulation_steps"),
    *("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"),
)

_MAX_LENGTH = 2**22  # numbers in one variable


def is_one_by_one(model: keras.Model) -> bool:
    """Whether the optimizer of a model, before its first step, treats every number by itself."""
    optimizer: Any = model.optimizer
    kind = type(optimizer)
    is_known = kind.__name__ in _ONE_BY_ONE and kind.__module__.startswith("keras.src.")
    if versions.IS_KERAS_2 or not is_known or optimizer.built:
        return False
    weights = model.trainable_variables
    return (
        not any(getattr(optimizer, name, None) for name in _BY_WEIGHT)
        and all(weight.constraint is None for weight in weights)
        and len({weight.dtype for weight in weights}) == 1
    )


class FlatSteps:
    """Steps of a copy of an optimizer, with one variable for many arrays.

    Args:
        optimizer: of a model for which `is_one_by_one` holds; its rate counts in every step, so
            that callbacks may change it.
        arrays: where the steps begin.
    """

    def __init__(self, optimizer: Any, arrays: Sequence[Any]) -> None:
        self._original = optimizer
        self._optimizer = _copied(optimizer)
        self._parts = _parts([tuple(array.shape) for array in arrays])
        self._variables = [
            keras.Variable(_joined(arrays[part.places]), name=f"part{number}")
            for number, part in enumerate(self._parts)
        ]
        versions.build_optimizer(self._optimizer, self._variables)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        of = self._optimizer if has_schedule(self._optimizer) else self._original
        return float(of.learning_rate)

    def make(self, gradients: Sequence[Any]) -> None:
        """Makes one step.

        Args:
            gradients: one of each array.
        """
        if not has_schedule(self._optimizer):
            self._optimizer.learning_rate = self.rate
        joined = [_joined(gradients[part.places]) for part in self._parts]
        versions.apply(self._optimizer, joined, self._variables)

    def go_on_from(self, arrays: Sequence[Any]) -> None:
        """Sets the arrays that the next step moves; the slots stay."""
        for part, variable in zip(self._parts, self._variables, strict=True):
            variable.assign(_joined(arrays[part.places]))

    def arrays(self) -> Iterator[np.ndarray]:
        """Yields the arrays after the steps so far."""
        for part, variable in zip(self._parts, self._variables, strict=True):
            yield from part.split(variable)

    def slots(self) -> Iterator[tuple[str, int, np.ndarray]]:
        """Yields (slot, number of the array, value)."""
        for part, variable in zip(self._parts, self._variables, strict=True):
            for slot, value in versions.slots(self._optimizer, variable):
                yield from (
                    (slot, part.places.start + number, array)
                    for number, array in enumerate(part.split(value))
                )


class OneByOneSteps:
    """Steps of an optimizer that treats every number by itself, which takes less time.

    Args:
        model: one for which `is_one_by_one` holds, with the weights where the steps begin.
    """

    def __init__(self, model: keras.Model) -> None:
        self._optimizer: Any = model.optimizer
        self._variables = model.trainable_variables
        self._steps = FlatSteps(self._optimizer, [v.value for v in self._variables])
        self._rate = None if has_schedule(self._optimizer) else self.rate

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._steps.rate

    def make(self, gradients: Sequence[Any]) -> None:
        """Moves the weights, as `Steps.make` does, from where they are.

        A call may have moved them, too: SpectralNormalization divides its kernel by its norm.
        """
        self._steps.go_on_from([v.value for v in self._variables])
        self._steps.make(gradients)
        for variable, value in zip(self._variables, self._steps.arrays(), strict=True):
            variable.assign(value)

    def begin_again(self) -> None:
        """Sets the rate to what it was; steps that follow are those of another copy."""
        if self._rate is not None:
            self._optimizer.learning_rate = self._rate


@dataclass(frozen=True)
class _Part:
    """Arrays that lie one after the other in one variable.

    Attributes:
        places: of the arrays among all.
        shapes: of each of them.
    """

    places: slice
    shapes: list[tuple[int, ...]]

    def split(self, variable: Any) -> list[np.ndarray]:
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = np.split(variable.numpy(), ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]


def _parts(shapes: Sequence[tuple[int, ...]]) -> list[_Part]:
    """Puts arrays together up to a size: a step holds some variables of one part at a time."""
    parts: list[_Part] = []
    length = _MAX_LENGTH
    for number, shape in enumerate(shapes):
        length += math.prod(shape)
        if length > _MAX_LENGTH:
            parts.append(_Part(slice(number, number + 1), [shape]))
            length = math.prod(shape)
        else:
            last = parts.pop()
            parts.append(_Part(slice(last.places.start, number + 1), [*last.shapes, shape]))
    return parts


def _copied(optimizer: Any) -> Any:
    """Returns an optimizer of the same settings, before its first step.

    `copy.deepcopy` would save it and load it, which fails for a schedule of the user's own.
    """
    config = optimizer.get_config()
    copied = type(optimizer).from_config({**config, "learning_rate": 0.0})
    for name in config.keys() - {"learning_rate", "name"}:
        # As it stands: the perturbed pass keeps more digits than a configuration.
        setattr(copied, name, getattr(optimizer, name))
    if has_schedule(optimizer):
        copied._learning_rate = optimizer._learning_rate
    return copied


def _joined(arrays: Sequence[Any]) -> Any:
    return tf.concat([tf.reshape(tf.convert_to_tensor(array), (-1,)) for array in arrays], axis=0)
