"""A program with `steps_per_execution` above 1, one step at a time.

Keras makes several steps in one call, and tells its callbacks the last one alone. What the steps
compute is the same, so that they are made, counted and compared one by one; the user's callbacks
are called as often as in the program.
"""

from __future__ import annotations

from typing import Any

from keras_impl.reference import Reference


def one_by_one(reference: Reference) -> Reference:
    """Lets a model make one step in each call, and its callbacks hear of each execution alone.

    Args:
        reference: what `fit` gets; its model and its callbacks are changed.
    """
    model: Any = reference.model
    number = getattr(model, "steps_per_execution", 1)
    if isinstance(number, int) and number > 1:
        model.steps_per_execution = 1
        model.unrolled_steps_per_execution = 1
        model.train_function = model.test_function = model.predict_function = None
        for callback in reference.callbacks:
            _ByExecution(callback, number)
    return reference


class _ByExecution:
    """Calls what a callback does with a batch once for each execution of so many steps."""

    def __init__(self, callback: Any, number: int) -> None:
        self._number = number
        self._before, self._after = callback.on_train_batch_begin, callback.on_train_batch_end
        self._at_end = callback.on_epoch_end
        self._open: tuple[int, Any] | None = None  # the last step of an execution that is not full
        callback.on_train_batch_begin = self._begin
        callback.on_train_batch_end = self._end
        callback.on_epoch_end = self._end_epoch

    def _begin(self, batch: int, logs: Any = None) -> None:
        if batch % self._number == 0:
            self._before(batch, logs)

    def _end(self, batch: int, logs: Any = None) -> None:
        self._open = batch, logs
        if (batch + 1) % self._number == 0:
            self._close()

    def _end_epoch(self, epoch: int, logs: Any = None) -> None:
        self._close()
        self._at_end(epoch, logs)

    def _close(self) -> None:
        if self._open is not None:
            (batch, logs), self._open = self._open, None
            self._after(batch, logs)
