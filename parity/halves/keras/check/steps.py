"""Steps of a Keras optimizer, as `fit` makes them, and back to where it began.

A built model goes in; each call takes gradients and moves the weights. The step is compiled once,
since Keras's optimizers take some thirty operations for each weight. TensorFlow may not rewrite the
compiled operations, so that they round as they do one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.compiled_rate import has_schedule


class Steps:
    """The optimizer of a model, before its first step."""

    def __init__(self, model: keras.Model) -> None:
        """Creates the slots.

        Args:
            model: compiled, with an optimizer, and built. Its weights may change later.
        """
        self._optimizer: Any = model.optimizer
        self._variables = model.trainable_variables
        versions.build_optimizer(self._optimizer, self._variables)
        self._state = [np.asarray(v.numpy()) for v in versions.state_of(self._optimizer)]
        # In Keras 2 the rate is not among the variables of an optimizer.
        has_rate = not has_schedule(self._optimizer)
        self._rate = float(self._optimizer.learning_rate) if has_rate else None
        is_compiled = not getattr(model, "run_eagerly", False)
        self._step: Any = tf.function(self._apply) if is_compiled else self._apply

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimizer.learning_rate)

    def make(self, gradients: Iterable[Any]) -> None:
        """Moves the weights.

        Args:
            gradients: a tensor for each trainable weight, in the order of the model.
        """
        with operations_as_they_are():
            self._step(list(gradients))

    def begin_again(self) -> None:
        """Sets counter, rate and slots to what they were; the weights stay."""
        for variable, value in zip(versions.state_of(self._optimizer), self._state, strict=True):
            variable.assign(value)
        if self._rate is not None:
            self._optimizer.learning_rate = self._rate

    def _apply(self, gradients: list[Any]) -> None:
        versions.apply(self._optimizer, gradients, self._variables)


@contextmanager
def operations_as_they_are() -> Iterator[None]:
    """Turns off what rewrites a compiled function: it changes sums by some units of rounding."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        is_off = before.get("disable_meta_optimizer", False)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_off})
