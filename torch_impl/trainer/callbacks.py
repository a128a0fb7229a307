"""Callbacks: what a trainer calls at certain moments; schedulers and rules of a port become some.

The moments are those of Keras's `fit`: before the first epoch, before and after each epoch, before
and after each step, and after the last epoch. After an epoch, `logs` already has its validation.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch_impl.schedule import EarlyStopping, ReduceLROnPlateau
from torch_impl.schedule.callbacks import (
    acts_at_the_beginning,
    begin_epoch,
    monitor_of,
    takes_value,
)

if TYPE_CHECKING:
    from torch_impl.port import Port
    from torch_impl.trainer.trainer import Trainer

Logs = dict[str, float]


class Callback:
    """Base of callbacks: every method does nothing.

    Attributes:
        trainer: set before the first call; `trainer.stop_training = True` ends the training.
    """

    trainer: Trainer

    @property
    def watches_steps(self) -> bool:
        """Whether `on_train_batch_begin` or `on_train_batch_end` does anything."""
        kind = type(self)
        return (kind.on_train_batch_begin, kind.on_train_batch_end) != (
            Callback.on_train_batch_begin,
            Callback.on_train_batch_end,
        )

    def on_train_begin(self) -> None:
        """Before the first epoch of a call of `fit`."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Before an epoch, counted from 0."""

    def on_train_batch_begin(self, step: int) -> None:
        """Before a step, counted from 0 in each epoch."""

    def on_train_batch_end(self, step: int, logs: Mapping[str, float]) -> None:
        """After a step, with the running means of the epoch; a loop of the port's own has none."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation; what is added to `logs` goes into the history."""

    def on_train_end(self) -> None:
        """After the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs of this callback."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint."""


class Scheduling(Callback):
    """Steps a scheduler of torch or a rule of `torch_impl.schedule`.

    One that a loop of the port's own has stepped in an epoch is not stepped from then on.

    Args:
        scheduler: has `step()`, or `step(value)` if it watches a metric.
        interval: when `step` is called: after every "epoch" or after every "step".
        monitor: name of the metric; None: the scheduler's own `monitor`, else "val_loss".
    """

    def __init__(self, scheduler: Any, interval: str = "epoch", monitor: str | None = None) -> None:
        self.scheduler, self.interval = scheduler, interval
        self.monitor = monitor_of(scheduler, monitor)
        self._at_begin: dict[str, Any] = {}  # of the epoch
        self._is_of_loop = False

    def on_train_begin(self) -> None:
        """Forgets earlier trainings, as Keras's rules do."""
        _reset(self.scheduler)

    def on_epoch_begin(self, epoch: int) -> None:
        """Steps a scheduler that acts at the beginning of an epoch."""
        begin_epoch(self.scheduler, epoch)
        self._at_begin = _numbers(self.scheduler)

    @property
    def watches_steps(self) -> bool:
        """Whether the scheduler counts steps."""
        return self.interval == "step"

    def on_train_batch_end(self, step: int, logs: Mapping[str, float]) -> None:
        """Steps a scheduler that counts steps."""
        self.scheduler.step()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Notes the rate of the epoch, and steps a scheduler that acts at its end."""
        logs["learning_rate"] = self.trainer.learning_rate
        if self.interval == "step" or acts_at_the_beginning(self.scheduler):
            return
        has_loop = self.trainer.port.train_epoch is not None
        self._is_of_loop |= has_loop and _numbers(self.scheduler) != self._at_begin
        if self._is_of_loop:
            return
        if not takes_value(self.scheduler):
            self.scheduler.step()
        elif (value := _monitored(self.scheduler, self.monitor, logs)) is not None:
            self.scheduler.step(value)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the scheduler."""
        return _state_of(self.scheduler)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of the scheduler."""
        _load(self.scheduler, state)


class Stopping(Callback):
    """Ends the training when a rule says so.

    Args:
        rule: its `step(value)` returns whether training ends; its `restore()`, if it has one, is
            called after the last epoch.
        monitor: as for `Scheduling`.
    """

    def __init__(self, rule: Any, monitor: str | None = None) -> None:
        self.rule = rule
        self.monitor = monitor_of(rule, monitor)

    def on_train_begin(self) -> None:
        """Forgets earlier trainings, as Keras's rules do."""
        _reset(self.rule)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Passes the metric of the epoch to the rule."""
        value = _monitored(self.rule, self.monitor, logs)
        if value is None:
            return
        if isinstance(self.rule, EarlyStopping):
            self.rule.epoch = epoch - 1  # training may have begun at another epoch than 0
        if self.rule.step(value):
            self.trainer.stop_training = True

    def on_train_end(self) -> None:
        """Restores the best weights, if the rule keeps them."""
        if hasattr(self.rule, "restore"):
            self.rule.restore()

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the rule."""
        return _state_of(self.rule)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of the rule."""
        _load(self.rule, state)


def as_callback(given: Any, interval: str = "epoch", monitor: str | None = None) -> Callback:
    """Returns a callback for a callback, a scheduler or a rule that stops.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, Callback):
        return given
    if isinstance(given, EarlyStopping):
        return Stopping(given, monitor)
    if hasattr(given, "step"):
        return Scheduling(given, interval, monitor)
    raise ValueError(
        f"callbacks has {given!r}: expected a torch_impl.trainer.Callback, a rule of "
        "torch_impl.schedule, or a scheduler of torch with `step`"
    )


def as_stopping(given: Any, monitor: str | None = None) -> Callback:
    """Returns a callback for a callback, or for a rule whose `step(value)` may end a training."""
    return given if isinstance(given, Callback) else Stopping(given, monitor)


def callbacks_of(port: Port) -> list[Callback]:
    """Returns the callbacks that a port brings along: of its schedulers, and what stops it."""
    interval, monitor = port.scheduler_interval, port.monitor
    found = [as_callback(each, interval, monitor) for each in port.schedulers]
    if port.early_stopping is not None:
        found.append(as_stopping(port.early_stopping, monitor))
    return found


def _monitored(rule: Any, monitor: str, logs: Mapping[str, float]) -> float | None:
    if monitor not in logs:
        warnings.warn(
            f"{type(rule).__name__} watches {monitor!r}, which this epoch has not; it has "
            f"{', '.join(logs)}",
            stacklevel=2,
        )
        return None
    return logs[monitor]


def _reset(rule: Any) -> None:
    if isinstance(rule, ReduceLROnPlateau | EarlyStopping):
        rule.reset()


def _numbers(scheduler: Any) -> dict[str, Any]:
    """Returns the numbers that a scheduler keeps, one of which changes in each of its steps."""
    found = getattr(scheduler, "__dict__", {})
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _state_of(rule: Any) -> dict[str, Any]:
    state: dict[str, Any] = rule.state_dict() if hasattr(rule, "state_dict") else {}
    return state


def _load(rule: Any, state: Mapping[str, Any]) -> None:
    if hasattr(rule, "load_state_dict"):
        rule.load_state_dict(state)
