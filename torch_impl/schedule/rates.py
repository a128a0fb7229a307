"""The rates of an optimizer, in the dtype of the weights like Keras's variable."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


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
