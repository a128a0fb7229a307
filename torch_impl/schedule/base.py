"""LearningRateSchedule: a learning rate as a function of the step, the base of all schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

# --------------------------------------------------------------------------------------------------
#
# What schedules and rules give to a checkpoint: plain values, which `weights_only=True` loads.


def plain(value: Any) -> Any:
    """Returns a number of NumPy or torch as Python's number, lists with such, others unchanged."""
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    is_number = isinstance(value, np.generic) or (
        isinstance(value, torch.Tensor) and value.ndim == 0
    )
    return value.item() if is_number else value


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a text, None, or a list or tuple of these."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def check_names(rule: object, state: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises a ValueError unless a state has the names of the state of a rule, and no others."""
    wanted = sorted(names)
    if sorted(state) != wanted:
        raise ValueError(
            f"state with {', '.join(map(str, state)) or 'nothing'}: expected the state_dict of "
            f"{type(rule).__name__}, with {', '.join(wanted)}"
        )


# --- The rates of an optimizer, in the dtype of the weights like Keras's variable -----------------


def round_rates(optimizer: torch.optim.Optimizer) -> Any:
    """Rounds the rates of all groups to the dtype of the weights.

    Returns:
        np.float64 if the weights are float64, else np.float32.

    Raises:
        ValueError: the optimizer follows a schedule, which would set the rate again in each step.
    """
    schedule = getattr(optimizer, "schedule", None)
    if schedule is not None:
        raise ValueError(
            f"an optimizer whose learning_rate is {type(schedule).__name__}: "
            "expected one whose rate can be set"
        )
    is_float64 = optimizer.param_groups[0]["params"][0].dtype == torch.float64
    number = np.float64 if is_float64 else np.float32
    for group in optimizer.param_groups:
        group["lr"] = float(number(group["lr"]))
    return number


def last_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """Returns the present rates of the groups, as `get_last_lr` of torch's schedulers does."""
    return [float(group["lr"]) for group in optimizer.param_groups]


# --------------------------------------------------------------------------------------------------
#
# LearningRateSchedule: a learning rate as a function of the step, the base of all schedules.


_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


class LearningRateSchedule:
    """The rate of a step, which subclasses compute in `_rate`.

    Keras calls a schedule in two ways, and the rates may differ in their last bits. `fit` compiles
    it: TensorFlow then multiplies by the reciprocal of a constant instead of dividing by it. With
    decay_steps=41, a staircase therefore falls after 42 steps, since 41 * (1 / 41) is below 1 in
    float32. A call as a function divides. `compiled` says which is meant; the optimizers of
    `torch_impl.optim` and `as_lambda_lr` take the compiled rates.

    Differs from torch.optim.lr_scheduler.LRScheduler in:
    1. it is a function of the number of earlier steps, which the optimizer counts and keeps; its
       own state is the last rate, and `load_state_dict` refuses that of another schedule;
    2. it gives the rate, not a factor, in the arithmetic of the given dtype;
    3. the dtype is float32 by default: Keras makes the first rate a float32 tensor if it is a
       Python float, in float64 runs too. If it is a `np.float64`, Keras computes in float64: pass
       torch.float64.

    The optimizers of `torch_impl.optim` take a schedule as their `learning_rate`. For torch's own
    optimizers, see `as_lambda_lr`.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.
    """

    _last_rate: float | None = None

    def __call__(
        self, step: int, dtype: torch.dtype = torch.float32, *, compiled: bool = False
    ) -> float:
        """Returns the rate.

        Args:
            step: number of earlier steps, 0 for the first step.
            dtype: torch.float32 or torch.float64, in which the rate is computed.
            compiled: whether it is that of the steps of `fit`.

        Raises:
            ValueError: the dtype is another one.
        """
        if dtype not in _DTYPES:
            known = ", ".join(map(str, _DTYPES))
            raise ValueError(f"dtype={dtype}: expected one of {known}")
        number = _DTYPES[dtype]
        # Keras divides by zero and overflows without a warning.
        with np.errstate(all="ignore"):
            rate = self._compiled_rate if compiled else self._rate
            self._last_rate = float(rate(number(step), number))  # (1) (2) (3)
        return self._last_rate

    def get_last_lr(self) -> list[float]:
        """Returns the rate of the last call, in a list as torch's schedulers do; or the first.

        An optimizer whose groups have several dtypes rounds it to each: see `param_groups`.
        """
        if self._last_rate is None:
            return [self(0, compiled=True)]
        return [self._last_rate]

    def state_dict(self) -> dict[str, Any]:
        """Returns the settings, and the last rate."""
        return {"settings": self._settings(), "last_rate": self._last_rate}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint; the step is in that of the optimizer.

        Raises:
            ValueError: it is that of a schedule with other settings.
        """
        check_names(self, state, self.state_dict())
        given, expected = dict(state["settings"]), self._settings()
        if given != expected:
            raise ValueError(f"state of a schedule with {given}: expected one with {expected}")
        self._last_rate = state["last_rate"]

    def _settings(self) -> dict[str, Any]:
        given = {k: plain(v) for k, v in vars(self).items() if not k.startswith("_")}
        return {"class": type(self).__name__, **{k: v for k, v in given.items() if is_plain(v)}}

    def _rate(self, step: Any, number: Any) -> Any:
        """Returns the rate in the arithmetic of `number`, np.float32 or np.float64."""
        raise NotImplementedError(f"{type(self).__name__} has no `_rate(step, number)`")

    def _compiled_rate(self, step: Any, number: Any) -> Any:
        """Returns the rate in the arithmetic of a compiled graph."""
        return self._rate(step, number)


class Formula(LearningRateSchedule):
    """A schedule whose formula has divisions by constants."""

    def _rate(self, step: Any, number: Any) -> Any:
        return self._formula(step, number, compiled=False)

    def _compiled_rate(self, step: Any, number: Any) -> Any:
        return self._formula(step, number, compiled=True)

    def _formula(self, step: Any, number: Any, *, compiled: bool) -> Any:
        """Returns the rate, see `__call__`."""
        raise NotImplementedError(f"{type(self).__name__} has no `_formula(step, number)`")


def over(x: Any, constant: Any, *, compiled: bool, factor: Any = None) -> Any:
    """Returns x / constant, or factor * (x / constant), as TensorFlow computes it.

    A compiled graph multiplies by the reciprocal, with which it multiplies the factor first.

    Source: tensorflow 2.21 `core/grappler/optimizers/constant_folding.cc`, by its results.
    """
    if not compiled:
        return x / constant if factor is None else factor * (x / constant)
    reciprocal = type(constant)(1) / constant
    return x * (reciprocal if factor is None else factor * reciprocal)


def as_lambda_lr(
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], float],
    last_epoch: int = -1,
) -> torch.optim.lr_scheduler.LambdaLR:
    """Returns a torch scheduler that gives any optimizer the rates of a schedule.

    Call its `step()` after every `optimizer.step()`. LambdaLR multiplies by the optimizer's initial
    rate, so that a rate can differ from the schedule's in its last bit.

    Args:
        optimizer: its groups start at rates other than 0, and all get the same rates.
        schedule: the rate as a function of the number of earlier steps.
        last_epoch: passed to LambdaLR, to continue a run.

    Raises:
        ValueError: a group starts at rate 0, which no factor changes.
    """
    starts = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
    if not all(starts):
        raise ValueError(f"learning rates {starts} of the groups: expected none of them to be 0")
    if isinstance(schedule, LearningRateSchedule):
        schedule = partial(schedule, compiled=True)
    factors = [_factor(schedule, start) for start in starts]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors, last_epoch)


def _factor(schedule: Callable[[int], float], start: float) -> Callable[[int], float]:
    return lambda step: schedule(step) / start


def through_float32(value: float, number: Any) -> Any:
    """Returns what Keras's `ops.cast(value, dtype)` makes of a Python float."""
    return number(np.float32(value))


def check_positive(name: str, value: float) -> None:
    """Raises ValueError unless a number of steps is greater than zero."""
    if value <= 0:
        raise ValueError(f"{name}={value!r}: expected a number greater than 0")
