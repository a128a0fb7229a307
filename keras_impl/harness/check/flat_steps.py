"""Steps of an optimizer that treats every number by itself, with all weights in one variable.

Keras's optimizers take some thirty operations for each weight, of which a network has hundreds.
Adam, say, computes with each number alone, so that one long variable gets the same numbers in
thirty operations altogether. The optimizer of the model stays as it is: a copy makes the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Steps of a copy of an optimizer, with one variable for several arrays.

    Args:
        optimizer: of a model for which `is_one_by_one` holds; its rate counts in every step, so
            that callbacks may change it.
        arrays: where the steps begin.
    """

    def __init__(self, optimizer: Any, arrays: Sequence[Any]) -> None:
        self._original = optimizer
        self._optimizer = _copied(optimizer)
        self._shapes = [tuple(array.shape) for array in arrays]
        self._ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        self._flat = keras.Variable(_joined(arrays), name="weights")
        versions.build_optimizer(self._optimizer, [self._flat])

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
        versions.apply(self._optimizer, [_joined(gradients)], [self._flat])

    def put(self, arrays: Sequence[Any]) -> None:
        """Sets the arrays."""
        self._flat.assign(_joined(arrays))

    def arrays(self) -> list[np.ndarray]:
        """Returns the arrays after the steps so far."""
        return self._split(self._flat)

    def slots(self) -> Iterator[tuple[str, list[np.ndarray]]]:
        """Yields each slot with its value for every array."""
        for slot, value in versions.slots(self._optimizer, self._flat):
            yield slot, self._split(value)

    def _split(self, variable: Any) -> list[np.ndarray]:
        parts = np.split(variable.numpy(), self._ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]


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
