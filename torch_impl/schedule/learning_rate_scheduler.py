"""LearningRateScheduler by Keras's rules: a rate that is a function of the epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from torch_impl.schedule.base import LearningRateSchedule
from torch_impl.schedule.rates import last_rates, round_rates
from torch_impl.schedule.state import check_names


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
