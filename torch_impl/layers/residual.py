"""What networks of keras.applications have on their residual branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.philox import stateless_uniform


class LayerScale(nn.Module):
    """x * gamma, with a weight for each feature of the last axis (Touvron et al. 2021).

    Torch has no such layer; timm's is the same. Source: keras 3.15 `applications/convnext.py`.

    Args:
        init_values: initial value of all weights.
        projection_dim: length of the last axis.
        **options: device and dtype of the weights.
    """

    def __init__(self, init_values: float, projection_dim: int, **options: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((projection_dim,), float(init_values), **options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, ..., C)."""
        return x * self.weight


class StochasticDepth(nn.Module):
    """Drops whole samples in train mode, and divides the rest by its share (Huang et al. 2016).

    Differs from `DropPath` of timm in:
    1. the mask is floor(1 - rate + u) with u = stateless_uniform(one for each sample, seed=state);
    2. the state moves as that of Keras's global generator does, from which Keras draws u:
       (state + 1) * 5387 % 933199. Numbers are Keras's if `state` is that of the generator, and
       nothing else draws from it.

    Source: keras 3.15 `applications/convnext.py`, `random/seed_generator.py`.

    Args:
        rate: fraction of samples that is dropped, in [0, 1).
        seed: the state begins with (seed, 0).
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"{rate=}: expected a number in [0, 1)")
        self.rate, self.state = float(rate), (seed, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x, (N, ...)."""
        if not self.training:
            return x
        shape = (x.shape[0], *[1] * (x.ndim - 1))
        drawn = stateless_uniform(shape, seed=self.state, dtype=x.dtype, device=x.device)
        first, second = ((number + 1) * 5387 % 933199 for number in self.state)  # (2)
        self.state = first, second
        return x / (1 - self.rate) * torch.floor(1 - self.rate + drawn)  # (1)

    def get_extra_state(self) -> dict[str, tuple[int, int]]:
        """Part of the state_dict."""
        return {"state": self.state}

    def set_extra_state(self, state: dict[str, tuple[int, int]]) -> None:
        """Part of load_state_dict."""
        self.state = state["state"]

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"rate={self.rate}, state={self.state}"


class CustomScaleLayer(nn.Module):
    """The first of two inputs plus `scale` times the second.

    Source: keras 3.15 `applications/inception_resnet_v2.py`.

    Args:
        scale: a number.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns one tensor of the shape of both."""
        return inputs[0] + inputs[1] * self.scale

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"scale={self.scale}"
