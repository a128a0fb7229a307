"""Dropout inside of a recurrent layer: masks of its inputs and of its states, for all steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from torch_impl.philox import seed_pair, stateless_keep


class Masks(NamedTuple):
    """Factors 0 and 1 / (1 - rate) of one call, in Keras's layout; empty where nothing is dropped.

    Attributes:
        inputs: one for all gates, or one for each in Keras's order, of the shape of a time step.
        states: the same for the states, of the shape of one state.
    """

    inputs: tuple[torch.Tensor, ...] = ()
    states: tuple[torch.Tensor, ...] = ()


class RecurrentDropout(nn.Module):
    """The masks that a cell of Keras draws, once for all time steps of a call.

    A mask is drawn as that of `Dropout`. The first ones are those of the inputs, then those of the
    states follow. Keras draws them in every call, also in eval mode, where it does not use them: so
    an evaluation between two epochs moves the masks of the next epoch.

    Torch has no such layer: `torch.nn.LSTM(dropout=...)` drops outputs between two layers, and
    draws a mask for each time step.

    Source: keras 3.15 `layers/rnn/dropout_rnn_cell.py`.

    Args:
        rate: fraction of the inputs to drop, in [0, 1]. With 1 the masks are 0 and none is drawn.
        recurrent_rate: fraction of the states to drop.
        seed: of the cell.
        num_masks: masks of each kind: 1, or the number of gates.

    Attributes:
        num_calls: how many masks have been drawn.
        mask_dtype: see `Dropout`.

    Raises:
        ValueError: a rate is no number in [0, 1].
    """

    def __init__(
        self, rate: float, recurrent_rate: float, seed: int = 0, num_masks: int = 1
    ) -> None:
        super().__init__()
        for name, value in (("dropout", rate), ("recurrent_dropout", recurrent_rate)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value!r}: expected a number in [0, 1]")
        self.rate, self.recurrent_rate = rate, recurrent_rate
        self.seed, self.num_masks = seed, num_masks
        self.num_calls = 0
        self.mask_dtype: torch.dtype | None = None

    def draw(self, step: torch.Tensor, state: torch.Tensor) -> Masks:
        """Draws the masks of the next call; none in eval mode, where they are only counted.

        Args:
            step: one time step, channels last; only its shape, dtype and device matter.
            state: one state.
        """
        found = Masks(self._drawn(step, self.rate), self._drawn(state, self.recurrent_rate))
        return found if self.training else Masks()

    def _drawn(self, like: torch.Tensor, rate: float) -> tuple[torch.Tensor, ...]:
        if rate == 0:
            return ()
        if rate == 1:
            return (torch.zeros_like(like),) * self.num_masks
        numbers = range(self.num_calls, self.num_calls + self.num_masks)
        self.num_calls += self.num_masks
        if not self.training:
            return ()
        return tuple(self._mask(like.shape, rate, number, like) for number in numbers)

    def _mask(
        self, shape: Sequence[int], rate: float, number: int, like: torch.Tensor
    ) -> torch.Tensor:
        dtype = self.mask_dtype or like.dtype
        keep = stateless_keep(
            shape,
            rate,
            seed=seed_pair(self.seed, number),
            dtype=torch.float64 if dtype == torch.float64 else torch.float32,
            device=like.device,
        )
        return keep.to(like.dtype) * (1 / (1 - rate))

    def get_extra_state(self) -> dict[str, int]:
        """Part of the state_dict."""
        return {"seed": self.seed, "num_calls": self.num_calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Part of load_state_dict."""
        self.seed, self.num_calls = state["seed"], state["num_calls"]

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"rate={self.rate}, recurrent_rate={self.recurrent_rate}, seed={self.seed}"
