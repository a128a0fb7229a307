"""The arguments that all optimizers take in addition to their own, and their allowed values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

import torch

Parameters = Iterable[torch.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, torch.Tensor]]


class CommonArguments(TypedDict, total=False):
    """The arguments that `KerasOptimizer` explains; the defaults are in `DEFAULTS`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None


DEFAULTS: dict[str, Any] = {
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}

CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


def check_common(arguments: dict[str, Any]) -> None:
    """Raises a ValueError for common arguments that Keras refuses, a TypeError for unknown ones."""
    if unknown := set(arguments) - set(DEFAULTS):
        raise TypeError(f"arguments {sorted(unknown)}: expected some of {', '.join(DEFAULTS)}")
    values = DEFAULTS | arguments
    clips = {key: values[key] for key in CLIPS if values[key] is not None}
    if len(clips) > 1:
        raise ValueError(f"{clips}: expected at most one of {', '.join(CLIPS)}")
    for key, low in (("gradient_accumulation_steps", 2), ("ema_overwrite_frequency", 1)):
        value = values[key]
        # 0 is None, as in Keras.
        if value and not (isinstance(value, int) and value >= low):
            raise ValueError(f"{key}={value!r}: expected a whole number of at least {low}, or None")
    check_fraction("ema_momentum", values["ema_momentum"])


def check_fraction(name: str, value: float) -> None:
    """Raises a ValueError if a number is not in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r}: expected a number in [0, 1]")
