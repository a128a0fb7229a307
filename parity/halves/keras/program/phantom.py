"""PhantomSteps: notes the steps that Keras makes without a batch.

The end of a stream of unknown length is found only when a step asks for its next batch. By then,
the compiled step has done all that needs no batch: it has counted itself, drawn the numbers of
dropout masks, applied weight decay, and multiplied Nadam's product of momentums. None of it is
undone. (keras 3.15 with TensorFlow; a known length, or `steps_per_epoch`, keeps it from happening.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras.check.model import trainable
from parity.halves.keras.program.between_steps import value_of
from parity.halves.keras.program.steps import masks_of, others_of

_SAME = 1e-5  # relative: float32 rounds a decayed weight by 6e-8 of it


class PhantomSteps(keras.callbacks.Callback):
    """The first callback of a `fit` on batches of unknown number.

    Args:
        on_found: called after each of them, before any other callback sees the end of the epoch.

    Attributes:
        told: by the number of the epoch: "count" of the steps, and the state after them: "masks",
            layer -> (seed, number of draws), "others", what the optimizer keeps, and "factors",
            weight -> by what it was multiplied; None: it was changed otherwise.
    """

    def __init__(self, on_found: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._on_found = on_found
        self._num_made = 0  # phantom steps included
        self._weights: dict[str, tf.Tensor] = {}  # after the last step with a batch
        self._found: dict[str, Any] = {}  # in this epoch
        self.told: dict[str, dict[str, Any]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first step."""
        self._num_made = self._counted()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a step."""
        self._num_made += 1
        if getattr(self.model.optimizer, "weight_decay", None):
            self._weights = _weights(self.model)

    def on_test_begin(self, logs: Any = None) -> None:
        """After the last step of an epoch, if it is validated."""
        self._look()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch."""
        self._look()
        if self._found:
            self.told[str(epoch)] = self._found
            self._found = {}

    def _look(self) -> None:
        count = self._counted() - self._num_made
        if count <= 0:
            return
        self._num_made += count
        model: Any = self.model
        now = _weights(model)
        both = {name: (weight.numpy(), now[name].numpy()) for name, weight in self._weights.items()}
        factors = {name: _factor(*pair) for name, pair in both.items() if not np.array_equal(*pair)}
        others = {
            name: float(value.numpy()) for name, value in others_of(model).items() if not value.ndim
        }
        self._found = {
            "count": count,
            "masks": masks_of(model),
            "others": others,
            "factors": factors,
        }
        if self._on_found is not None:
            self._on_found()

    def _counted(self) -> int:
        optimizer: Any = self.model.optimizer
        return int(optimizer.iterations)


def _weights(model: keras.Model) -> dict[str, tf.Tensor]:
    return {name: value_of(variable) for name, variable in trainable(model).items()}


def _factor(before: np.ndarray, after: np.ndarray) -> float | None:
    """Returns the factor between two weights; None if there is no common one."""
    is_some = before != 0
    ratios = after[is_some].astype(np.float64) / before[is_some].astype(np.float64)
    if not ratios.size:
        return None
    factor = float(np.median(ratios))
    return factor if np.abs(ratios - factor).max() <= _SAME * abs(factor) else None
