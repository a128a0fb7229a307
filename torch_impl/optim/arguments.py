"""The arguments that all optimizers take in addition to their own, and their allowed values."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
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

# Keras's names of what a group has under torch's.
_IN_A_GROUP = {
    "learning_rate": "lr",
    "epsilon": "eps",
    "beta_1": "betas=(beta_1, beta_2)",
    "beta_2": "betas=(beta_1, beta_2)",
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


def check_settings(settings: dict[str, Any]) -> None:
    """Raises a ValueError if the settings of a subclass are not numbers, or tuples of them."""
    for name, value in settings.items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(part, Real) for part in parts):
            raise ValueError(
                f"{name}={value!r}: expected {'numbers' if len(parts) > 1 else 'a number'}; the "
                "order of the arguments is Keras's"
            )


def check_group(group: dict[str, Any], known: Iterable[str]) -> None:
    """Raises a ValueError for a setting of a group that nothing would read.

    Args:
        group: as a user gives it, with names of its own beside those that torch reads.
        known: names of the settings that a group can have.
    """
    for name in set(group) & {*_IN_A_GROUP, *DEFAULTS} - set(known):
        wanted = "it as an argument of the optimizer, for all groups"
        if name in _IN_A_GROUP:
            wanted = f"{_IN_A_GROUP[name]} in its place"
        raise ValueError(f"{name}={group[name]!r} in a group: expected {wanted}")
