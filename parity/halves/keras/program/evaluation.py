"""Evaluation: how well a model knows its training samples, and what it says of those of validation.

The accuracy that `fit` tells is a mean over an epoch, with dropout and on augmented images, while
the weights change: it cannot be set against that of validation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.program.feed import rows_of
from parity.halves.keras.program.flow import is_flow
from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import EVALUATED_AT_ONCE, PREDICTIONS, keep_evaluation


class Evaluation(keras.callbacks.Callback):
    """Evaluates the training samples after every epoch, and predicts after the last one.

    Samples are taken as arrays, or as the arrays of a flow, before their augmentation. What is fed
    otherwise is left out.

    Args:
        reference: what is trained.
        writer: receives the columns `eval_...` of the history, and `predictions/val`.

    Attributes:
        wall_s: seconds that it took.
    """

    def __init__(self, reference: Reference, writer: TraceWriter) -> None:
        super().__init__()
        self._writer = writer
        given = reference.x
        x, y = (given.x, given.y) if is_flow(given) else (given, reference.y)
        self._samples = _batches(x, y) if versions.are_arrays((x, y)) else []
        validation = reference.validation_data
        has_arrays = validation is not None and versions.are_arrays(validation)
        self._validation = _batches(*validation[:2]) if has_arrays else []
        self.wall_s = 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation."""
        self._timed(self._evaluate)

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch, when the best weights are restored."""
        self._timed(self._predict)

    def _evaluate(self) -> None:
        logs = [self.model.test_on_batch(x, y, return_dict=True) for x, y in self._samples]
        sizes = [len(y) for _, y in self._samples]
        if logs:
            numbers = {
                name: float(np.average([float(each[name]) for each in logs], weights=sizes))
                for name in logs[0]
            }
            keep_evaluation(self._writer, numbers)

    def _predict(self) -> None:
        """Writes what `model.predict` returns, without tracing a function for one call."""
        parts = [self.model(x, training=False) for x, _ in self._validation]
        if parts and not isinstance(parts[0], list | tuple | dict):
            self._writer.put(PREDICTIONS, np.concatenate([part.numpy() for part in parts]))

    def _timed(self, function: Callable[[], None]) -> None:
        started = time.perf_counter()
        function()
        self.wall_s += time.perf_counter() - started


def _batches(x: Any, y: Any) -> list[tuple[Any, Any]]:
    """Returns inputs and targets in batches; both are arrays, or nests of them."""
    number = len(keras.tree.flatten(x)[0])
    starts = range(0, number, EVALUATED_AT_ONCE)
    rows = [slice(start, start + EVALUATED_AT_ONCE) for start in starts]
    return [(rows_of(x, part), rows_of(y, part)) for part in rows]
