"""EarlyStopping, ReduceLROnPlateau and LearningRateScheduler by Keras's rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from torch_impl.schedule.base import (
    LearningRateSchedule,
    check_names,
    last_rates,
    plain,
    round_rates,
)

# --------------------------------------------------------------------------------------------------
#
# Monitor: Keras's rule for when a value is better, for ReduceLROnPlateau and EarlyStopping.


# Names of Keras's own metrics, and the short names of `metrics=["mse"]`.
_GREATER_IS_BETTER = frozenset(
    [
        *("acc", "accuracy", "auc", "binary_accuracy", "binary_io_u", "categorical_accuracy"),
        *("concordance_correlation", "cosine_similarity", "f1_score", "fbeta_score", "io_u"),
        *("mean_io_u", "one_hot_io_u", "one_hot_mean_io_u", "pearson_correlation"),
        *("precision", "precision_at_recall", "r2_score", "recall", "recall_at_precision"),
        *("sensitivity_at_specificity", "sparse_categorical_accuracy"),
        *("sparse_top_k_categorical_accuracy", "specificity_at_sensitivity"),
        "top_k_categorical_accuracy",
    ]
)
_LESS_IS_BETTER = frozenset(
    [
        *("loss", "bce", "binary_crossentropy", "categorical_crossentropy"),
        *("categorical_hinge", "hinge", "kl_divergence", "logcosh", "mae", "mape"),
        *("mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error"),
        *("mean_squared_logarithmic_error", "mse", "msle", "poisson"),
        *("root_mean_squared_error", "sparse_categorical_crossentropy", "squared_hinge"),
    ]
)


class Monitor:
    """Compares the values of a metric as Keras's callbacks do.

    The first value is always better. Later ones must be better by more than `min_delta`, which is
    absolute. Values are compared in float32, in float64 runs too (`keras.ops.less` of two Python
    floats). A NaN is better than no value, and no value is better than a NaN.

    Source: keras 3.15 `callbacks/monitor_callback.py`.

    Args:
        monitor: name of the metric, used by "auto"; a leading "val_" does not matter.
        mode: "min" if less is better, "max" if more is better, "auto" to decide by the name.
        min_delta: its sign does not matter.

    Raises:
        ValueError: the mode is another one, with which Keras warns and takes "auto"; or it is
            "auto", and the name is not that of a Keras metric with one better direction.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'mode={mode!r}: expected "auto", "min" or "max"')
        if mode == "auto":
            mode = _direction(monitor)
        self._is_less_better = mode == "min"
        self._min_delta = abs(min_delta)

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far; None is worse than any value."""
        if best is None:
            return True
        if self._is_less_better:
            return bool(np.float32(value + self._min_delta) < np.float32(best))
        return bool(np.float32(value - self._min_delta) > np.float32(best))


def _direction(monitor: str) -> str:
    name = monitor.removeprefix("val_")
    if name in _LESS_IS_BETTER:
        return "min"
    if name in _GREATER_IS_BETTER:
        return "max"
    raise ValueError(
        f'mode="auto" for monitor={monitor!r}: the name does not tell whether more is better; '
        'expected mode="min" or mode="max"'
    )


# --- EarlyStopping by Keras's rules ---------------------------------------------------------------


class EarlyStopping:
    """Stops a training when a metric no longer improves, and keeps the best weights, as in Keras.

    Differs from the usual handwritten loop in:
    1. training stops after `patience` epochs without improvement, and with patience 0 after the
       first such epoch, but never after the first epoch of the training;
    2. an improvement must exceed `min_delta`, which is absolute;
    3. the first value is always an improvement, even NaN, after which nothing is an improvement;
    4. the best weights are restored even if training was not stopped;
    5. values are compared in float32, in float64 runs too;
    6. by default the name of the metric decides whether less is better, as for "val_loss";
    7. with a baseline, an improvement that is not better than the baseline is kept as the best and
       does not stop the training in its epoch, but the count of epochs continues.

    Source: keras 3.15 `callbacks/early_stopping.py`, `callbacks/monitor_callback.py`.

    Args:
        model: its best weights are kept.
        min_delta: by how much a value must be better to count.
        patience: number of epochs in a row without improvement after which training stops.
        restore_best_weights: whether `restore` brings back the weights of the best epoch.
        start_from_epoch: epochs, counted from 0, before which nothing is watched.
        mode: "min", "max", or "auto", with which the name in `monitor` decides.
        monitor: name of the metric whose values are passed to `step`.
        baseline: value that must be exceeded too; None for no baseline.

    Attributes:
        best: the best value so far, or None.
        best_epoch: its epoch, counted from 0.
        wait: number of epochs in a row without improvement.
        epoch: number of the last epoch; -1 before the first one.

    Raises:
        ValueError: the mode is unknown, or the name does not decide it.
    """

    def __init__(
        self,
        model: nn.Module,
        min_delta: float = 0.0,
        patience: int = 0,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        mode: str = "auto",  # (6)
        monitor: str = "val_loss",
        baseline: float | None = None,
    ) -> None:
        self.model, self.monitor = model, monitor
        self.patience, self.baseline = patience, baseline
        self._monitor = Monitor(monitor, mode, min_delta)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.reset()

    def reset(self) -> None:
        """Forgets all epochs, as Keras does when a training begins."""
        self.best: float | None = None
        self.best_epoch = 0
        self.wait = 0
        self.epoch = -1
        self._best_weights: dict[str, torch.Tensor] | None = None

    def step(self, value: float) -> bool:
        """Takes the monitored value of an epoch; returns whether training is to stop.

        Args:
            value: the metric of the epoch that has just ended.
        """
        self.epoch += 1
        if self.epoch < self.start_from_epoch:
            return False
        self.wait += 1
        if self._monitor.is_better(value, self.best):  # (2) (3) (5)
            self.best, self.best_epoch = value, self.epoch
            if self.baseline is None or self._monitor.is_better(value, self.baseline):
                self.wait = 0  # (7)
            if self.restore_best_weights:
                self._best_weights = {
                    name: tensor.detach().clone() for name, tensor in _weights(self.model)
                }
            return False
        return self.wait >= self.patience and self.epoch > 0  # (1)

    @torch.no_grad()
    def restore(self) -> None:
        """Restores the best weights, if they are kept. Call it after the last epoch."""
        if self._best_weights is not None:
            for name, tensor in _weights(self.model):
                tensor.copy_(self._best_weights[name])  # (4)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs, the best weights included."""
        names = ("best", "best_epoch", "wait", "epoch", "_best_weights")
        return {name: plain(getattr(self, name)) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint.

        Raises:
            ValueError: it is that of another rule, or its weights are those of another model.
        """
        check_names(self, state, self.state_dict())
        best = state["_best_weights"]
        if best is not None:
            given, expected = _shapes(best.items()), _shapes(_weights(self.model))
            if given != expected:
                differing = sorted({*given.items()} ^ {*expected.items()})
                raise ValueError(
                    f"best weights of another model: expected {len(expected)} tensors as in this "
                    f"one, which differ first in {differing[0][0]}"
                )
        for name in self.state_dict():
            setattr(self, name, state[name])


def _weights(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Returns what Keras's `get_weights` returns: parameters and buffers, no seeds or counters."""
    return [*model.named_parameters(), *model.named_buffers()]


def _shapes(weights: Iterable[tuple[str, torch.Tensor]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights}


# --- LearningRateScheduler by Keras's rules: a rate that is a function of the epoch ---------------


class LearningRateScheduler:
    """Sets the rate at the beginning of each epoch, by Keras's rules.

    Differs from torch.optim.lr_scheduler.LambdaLR in:
    1. it acts at the beginning of an epoch, also of the first one, not at the end;
    2. the function gets the present rate of the optimizer, whatever set it, and returns the new
       rate, not a factor of the first;
    3. the rate is kept in the dtype of the weights.

    The signature shows whether the function takes the rate. Keras tries it, and takes any TypeError
    from inside the function as a no.

    Source: keras 3.15 `callbacks/learning_rate_scheduler.py`.

    Args:
        optimizer: its `param_groups` are changed, each from its own rate.
        schedule: `schedule(epoch, lr)` or `schedule(epoch)`, with epochs counted from 0, returns
            the new rate as a float. A `LearningRateSchedule` counts epochs here.

    Raises:
        ValueError: the optimizer follows its own schedule.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Callable[..., float]) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self.epoch = 0
        self._round = round_rates(optimizer)  # (3)
        self._takes_rate = not isinstance(schedule, LearningRateSchedule) and _binds(schedule, 2)

    def step(self) -> list[float]:
        """Begins an epoch (1); returns the rates of the groups.

        Raises:
            ValueError: the function did not return a float.
        """
        for group in self.optimizer.param_groups:
            arguments = (self.epoch, group["lr"]) if self._takes_rate else (self.epoch,)
            rate = self.schedule(*arguments)  # (2)
            if not isinstance(rate, float | np.float32):
                raise ValueError(f"schedule({self.epoch}) returned {rate!r}: expected a float")
            group["lr"] = float(self._round(rate))  # (3)
        self.epoch += 1
        return last_rates(self.optimizer)

    def get_last_lr(self) -> list[float]:
        """Returns the present rates of the groups."""
        return last_rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs; the rate belongs to the optimizer."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint.

        Raises:
            ValueError: it is that of another rule.
        """
        check_names(self, state, self.state_dict())
        self.epoch = state["epoch"]


def _binds(function: Callable[..., Any], num_arguments: int) -> bool:
    """Whether a function can be called with this number of arguments."""
    try:
        inspect.signature(function).bind(*range(num_arguments))
    except TypeError:
        return False
    return True


# --- ReduceLROnPlateau by Keras's rules -----------------------------------------------------------


class ReduceLROnPlateau:
    """Cuts the learning rate when a metric no longer improves, by Keras's rules.

    Differs from torch.optim.lr_scheduler.ReduceLROnPlateau in:
    1. the rate is cut as soon as `patience` epochs in a row were bad, not one epoch later;
    2. an improvement must exceed `min_delta`, which is absolute and not relative;
    3. the first value is always an improvement, even NaN, after which nothing is an improvement;
    4. a cooldown ends in the epoch in which its counter reaches zero, and that epoch counts;
    5. there is no smallest change: the rate falls to `min_lr`;
    6. values are compared in float32, in float64 runs too (`keras.ops.less` of two Python floats);
       the rate is kept in the dtype of the weights;
    7. by default the name of the metric decides whether less is better, as for "val_loss".

    Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `callbacks/monitor_callback.py`.

    Args:
        optimizer: its `param_groups` are changed.
        factor: new rate = rate * factor, in (0, 1).
        patience: number of bad epochs in a row after which the rate is cut.
        min_delta: by how much a value must be better to count.
        cooldown: epochs after a cut in which none counts as bad.
        min_lr: lower bound of the rate.
        mode: "min", "max", or "auto", with which the name in `monitor` decides.
        monitor: name of the metric whose values are passed to `step`.

    Attributes:
        best: the best value so far, or None.
        wait: number of bad epochs in a row.
        cooldown_counter: number of epochs in which none counts as bad.

    Raises:
        ValueError: the factor is outside (0, 1); the mode is unknown, or the name does not decide
            it; or the optimizer follows a schedule.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "auto",  # (7)
        monitor: str = "val_loss",
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor={factor!r}: expected a number in (0, 1)")
        self.optimizer, self.monitor = optimizer, monitor
        self.factor, self.patience = factor, patience
        self._monitor = Monitor(monitor, mode, min_delta)
        self.cooldown, self.min_lr = cooldown, min_lr
        self._round = round_rates(optimizer)  # (6)
        self.reset()

    def reset(self) -> None:
        """Forgets all epochs, as Keras does when a training begins; the rate stays."""
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0

    def step(self, value: float) -> bool:
        """Takes the monitored value of an epoch; returns whether the rate was cut.

        Args:
            value: the metric of the epoch that has just ended.
        """
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1  # (4)
            self.wait = 0
        if self._monitor.is_better(value, self.best):  # (2) (3) (6)
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and self._cut():  # (1)
                self.cooldown_counter, self.wait = self.cooldown, 0
                return True
        return False

    def get_last_lr(self) -> list[float]:
        """Returns the present rates of the groups."""
        return last_rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs; the rate belongs to the optimizer."""
        return {name: plain(getattr(self, name)) for name in ("best", "wait", "cooldown_counter")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint.

        Raises:
            ValueError: it is that of another rule.
        """
        check_names(self, state, self.state_dict())
        for name in self.state_dict():
            setattr(self, name, state[name])

    def _cut(self) -> bool:
        has_cut = False
        for group in self.optimizer.param_groups:
            if group["lr"] > np.float32(self.min_lr):
                rate = max(group["lr"] * self.factor, self.min_lr)
                group["lr"] = float(self._round(rate))  # (5) (6)
                has_cut = True
        return has_cut


# --- How a scheduler wants to be stepped: when, and with which metric -----------------------------
#
# It may be one of torch, one of `torch_impl.schedule`, or one of the user's.


def monitor_of(rule: Any, monitor: str | None) -> str:
    """Returns the name of the metric that a rule watches.

    Args:
        rule: a scheduler, or what stops a training.
        monitor: the name that its user gives; None: the rule's own `monitor`, else "val_loss".
    """
    name = monitor or getattr(rule, "monitor", None)
    return name if isinstance(name, str) else "val_loss"


def acts_at_the_beginning(scheduler: Any) -> bool:
    """Whether a scheduler sets the rate at the beginning of an epoch."""
    return hasattr(scheduler, "on_epoch_begin") or isinstance(scheduler, LearningRateScheduler)


def begin_epoch(scheduler: Any, epoch: int) -> bool:
    """Steps a scheduler that acts at the beginning of an epoch; returns whether it does."""
    if hasattr(scheduler, "on_epoch_begin"):
        scheduler.on_epoch_begin(epoch)
    elif isinstance(scheduler, LearningRateScheduler):
        scheduler.epoch = epoch
        scheduler.step()
    else:
        return False
    return True


def takes_value(scheduler: Any) -> bool:
    """Whether `step` takes the monitored metric."""
    parameters = list(inspect.signature(scheduler.step).parameters.values())
    return bool(parameters) and (
        parameters[0].name in ("metrics", "value", "metric")
        or parameters[0].default is inspect.Parameter.empty
    )
