"""Layers that drop values in train mode, by the masks that Keras draws."""

from __future__ import annotations

import torch
from torch import nn

from torch_impl.philox import stateless_keep


class Dropout(nn.Module):
    """Inverted dropout with the mask that Keras draws.

    y = x / (1 - rate) where u >= rate, else 0, with u = stateless_uniform(shape of x in Keras's
    layout, seed=(layer seed, number of earlier calls in train mode)).

    Differs from torch.nn.Dropout in:
    1. the mask is a function of the layer's seed and a counter, not of the global generator;
    2. it is drawn in the order (N, H, W, C), also for an input of layout (N, C, H, W);
    3. seed and counter are part of the layer's state, so that a run can be resumed.

    Args:
        rate: fraction to drop, in [0, 1).
        seed: of the layer; `initialise` sets it from the program's seed.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate!r}: expected a number in [0, 1)")
        self.rate = rate
        self.seed = seed
        self.num_calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drops in train mode, passes through in eval mode; x is (N, C, H, W) or (N, C)."""
        if not self.training or self.rate == 0:
            return x
        channels_last = x.movedim(1, -1)  # (2)
        keep = stateless_keep(
            channels_last.shape,
            self.rate,
            seed=(self.seed, self.num_calls),
            dtype=x.dtype,
            device=x.device,
        )  # (1)
        self.num_calls += 1
        # Not a product with the mask, which makes NaN of a dropped infinity.
        dropped = torch.where(keep, channels_last * (1 / (1 - self.rate)), 0)
        return dropped.movedim(-1, 1)

    def get_extra_state(self) -> dict[str, int]:
        """Part of the state_dict."""
        return {"seed": self.seed, "num_calls": self.num_calls}  # (3)

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Part of load_state_dict."""
        self.seed, self.num_calls = state["seed"], state["num_calls"]

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"rate={self.rate}, seed={self.seed}"
