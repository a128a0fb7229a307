"""Changes of Keras's optimizer, each setting by its name, and whether one gives a port's step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.optimize import least_squares, minimize_scalar

from torch_impl.optim.base import CLIPS

# --- What is between a port's step and Keras's, and which change leaves nothing of it -------------


# How far two steps are apart, by how far they move the weights. Keras's step in float64 is repeated
# within 1e-9, or within 1e-5 with constants that Keras has in float32, such as 1 - 0.999; what is
# not so is another step. A change explains one if all but 1e-5 of what is apart is gone, which is
# how exactly a number is solved for, or what constants change.
BY_CONSTANTS, _EXPLAINED = 2e-5, 1e-5
MOST_BY_CONSTANTS = 0.03  # of what is apart
_NEAR = 0.01  # from where a number is solved for exactly
_LEAST = 3  # entries that differ: one number always explains one
_MOST = 2_000_000  # entries, for which a number is solved


@dataclass(frozen=True)
class Between:
    """What is between two steps: a port's and Keras's.

    Attributes:
        ours: weights behind the step of the port.
        theirs: behind Keras's.
        begin: before both.
    """

    ours: torch.Tensor
    theirs: torch.Tensor
    begin: torch.Tensor

    def numbers(
        self, made: Callable[[Any], torch.Tensor], among: Sequence[Any], *, is_whole: bool
    ) -> list[Any]:
        """Returns the number at which nothing is left; none if that is at none.

        Args:
            made: makes a changed step; gets the number.
            among: where to look first, in order; none: the change has no number, [None] is it.
            is_whole: whether only these are tried.
        """
        if not among:
            return [None] if self.is_gone(made, None) else []
        if self.ours.numel() > _MOST or int((self.ours != self.theirs).sum()) < _LEAST:
            return []
        tried = [_size(self._rest(made, number)) for number in among]
        place = int(np.argmin(tried))
        if tried[place] <= self._allowed:
            return [among[place]]
        if is_whole:
            return []
        bounds = among[max(place - 1, 0)], among[min(place + 1, len(among) - 1)]
        near = minimize_scalar(
            lambda number: _size(self._rest(made, number)),
            bounds=bounds,
            method="bounded",
            options={"xatol": 1e-9},
        )
        if near.fun > _NEAR:
            return []
        rest = partial(self._rest, made)
        number = float(least_squares(rest, near.x, xtol=1e-15, ftol=1e-15, gtol=1e-15).x[0])
        return [number] if self.is_gone(made, number) else []

    def is_gone(self, made: Callable[[Any], torch.Tensor], number: Any) -> bool:
        """Whether a changed step leaves nothing."""
        return _size(self._rest(made, number)) <= self._allowed

    @property
    def _allowed(self) -> float:
        """Which share of what is apart a change may leave."""
        moved, apart = self.theirs - self.begin, self.ours - self.theirs
        by_constants = float(BY_CONSTANTS * moved.norm() / apart.norm())
        return max(_EXPLAINED, min(MOST_BY_CONSTANTS, by_constants))

    def _rest(self, made: Callable[[Any], torch.Tensor], number: Any) -> np.ndarray:
        """Returns what a changed step leaves, as a share of what Keras's does."""
        apart = self.ours - self.theirs
        try:
            rest = self.ours - made(number)
        except Exception:  # a loss or a setting that is not for these outputs may raise anything
            rest = apart
        share: np.ndarray = (rest / torch.linalg.vector_norm(apart)).numpy()
        return share if np.isfinite(share).all() else np.ones_like(share)


def _size(rest: np.ndarray) -> float:
    return float(np.linalg.norm(rest))


# --- The settings of Keras's optimizer, each with other values ------------------------------------


# Where a number is looked for at first. Others lie between them.
SMALL = (*(-(10.0**n) for n in range(1, -7, -1)), 0.0, *(10.0**n for n in range(-6, 2)))
SHARES = (0.0, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)
_LIMITS = tuple(10.0 ** (n / 2) for n in range(-12, 7))
_BY_NAME = {"epsilon": tuple(10.0**n for n in range(-12, 0)), "weight_decay": SMALL}
ACCUMULATED, DECAY = "gradient_accumulation_steps", "weight_decay"
_COUNTS = (None, *range(1, 33))
_IDS = {"epsilon": "F1", ACCUMULATED: "E3", "ema_overwrite_frequency": "I4"}
# The divergence of torch's equations. RMSprop's and Adagrad's is that of their constants as well.
RULES = {
    **{"Adam": "F2", "AdamW": "F2", "Adamax": "F2", "SGD": "F5"},
    **{"RMSprop": "F4", "Adagrad": "F8", "Adadelta": "F8"},
}
_CONSTANTS = ("epsilon", "rho", "initial_accumulator_value")
# Settings that change no step, or are given.
_OTHERS = ("name", "learning_rate", "loss_scale_factor", "use_ema")


@dataclass(frozen=True)
class Change:
    """A change of Keras's step, or of its settings.

    Attributes:
        id: of the divergence that it is.
        text: what it does, with {} for its number.
        made: makes the step, or the settings that it changes; gets the number.
        among: numbers among which it is looked for; none: there is no number.
        is_whole: whether only these are tried, and none between them.
        name: of a setting of the optimizer.
    """

    id: str
    text: str
    made: Callable[[Any], Any]
    among: Sequence[Any] = ()
    is_whole: bool = False
    name: str = ""


def changed_settings(kind: str, config: Mapping[str, Any]) -> Iterator[Change]:
    """Yields changes of each setting of an optimizer, by its name.

    Args:
        kind: its class in Keras.
        config: its settings.
    """
    no_clips = {name: None for name in CLIPS if name in config}
    used = {name: config[name] for name in no_clips if config[name] is not None}
    before = next((f"{name}={value:g}" for name, value in used.items()), "no clipping")
    for name in used:
        yield Change("E8", f"no gradient is clipped by {before}", lambda _: no_clips, name=name)
    for name, value in config.items():
        identity, given = _IDS.get(name, "F14"), partial(_given, name, {})
        if name in _CONSTANTS and RULES.get(kind) in ("F4", "F8"):
            identity = RULES[kind]
        text = f"{name} is {{}}, in the place of {value}"
        if name in CLIPS:
            identity = "E1" if name == "global_clipnorm" and "clipnorm" in used else "E8"
            text = f"gradients are clipped by {name}={{}}, in the place of {before}"
            yield Change(identity, text, partial(_given, name, no_clips), _LIMITS, name=name)
        elif name in (ACCUMULATED, "ema_overwrite_frequency"):
            yield Change(identity, text, given, _COUNTS, is_whole=True, name=name)
        elif isinstance(value, bool) and name not in _OTHERS:
            turned = partial(_given, name, {}, not value)
            yield Change(identity, shown(text, not value), turned, name=name)
        elif (isinstance(value, int | float) or name == DECAY) and name not in _OTHERS:
            if name == DECAY:
                identity = "F9" if value else "C11"
            yield Change(identity, text, given, _BY_NAME.get(name, SHARES), name=name)


def _given(name: str, others: Mapping[str, Any], value: Any, _: Any = None) -> Mapping[str, Any]:
    return {**others, name: value}


def shown(text: str, value: Any) -> str:
    """Returns what a change does, with its value."""
    return text.replace("{}", f"{value:.5g}" if isinstance(value, float) else str(value))
