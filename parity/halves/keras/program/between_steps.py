"""What changes between two steps of a training: weights and what an optimizer keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.check.model import trainable
from parity.halves.keras.program.steps import others_of


class Values:
    """Weights and what an optimizer keeps but the rate, as they are now.

    The variables are looked up again when there are others: slots come with the first step, and a
    layer may be trained from some epoch on.

    Args:
        model: that is trained.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model: Any = model
        self._variables: list[Any] = []
        self._before: list[Any] = []
        self._numbers: tuple[int, ...] = ()

    def read(self) -> dict[int, tf.Tensor]:
        """Returns all values, by the identities of their variables; see `value_of`."""
        model = self._model
        parts = (model.variables, model.trainable_variables, versions.state_of(model.optimizer))
        if (numbers := tuple(map(len, parts))) != self._numbers:
            # Those before are kept, so that no other variable gets the identity of one of them.
            self._before, self._variables = self._variables, self._found()
            self._numbers = numbers
        return {id(variable): value_of(variable) for variable in self._variables}

    def _found(self) -> list[Any]:
        model = self._model
        found = [v for v in model.weights if versions.is_weight(v)]
        for variable in trainable(model).values():
            found += [value for _, value in versions.slots(model.optimizer, variable)]
        return [*found, *others_of(model).values()]


def value_of(variable: Any) -> tf.Tensor:
    """Returns the value of a variable; `tf.convert_to_tensor` takes ten times as long.

    It shares the memory of the variable until that is changed: in every step, copies are dear.
    """
    held = variable if isinstance(variable, tf.Variable) else getattr(variable, "value", None)
    if isinstance(held, tf.Variable):
        return tf.raw_ops.ReadVariableOp(resource=held.handle, dtype=held.dtype)
    return tf.convert_to_tensor(variable)


def num_changed(before: Mapping[int, tf.Tensor], now: Mapping[int, tf.Tensor]) -> int:
    """Returns how many values are not those before.

    Args:
        before: of weights and slots, by variable; none in front of the first step.
        now: later ones. Variables that are not in both are left out.
    """
    both = before.keys() & now.keys()
    arrays = [(np.asarray(before[key]), np.asarray(now[key])) for key in both]
    # A value that is no number stays the same.
    return sum(
        int(((a != b) & ~((a != a) & (b != b))).sum())
        for a, b in arrays
        if not np.array_equal(a, b)
    )
