"""How a scheduler wants to be stepped: when, and with which metric.

It may be one of torch, one of `torch_impl.schedule`, or one of the user's.
"""

from __future__ import annotations

import inspect
from typing import Any

from torch_impl.schedule.learning_rate_scheduler import LearningRateScheduler


def monitor_of(rule: Any, monitor: str | None) -> str:
    """Returns the name of the metric that a rule watches.

    Args:
        rule: a scheduler, or what stops a training.
        monitor: the name that its user gives; None: the rule's own `monitor`, else "val_loss".
    """
    own = monitor or getattr(rule, "monitor", None)
    return own if isinstance(own, str) else "val_loss"


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
