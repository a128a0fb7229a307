"""Weight: a weight that no layer has, such as a token of the class, or a scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Weight(nn.Module):
    """Holds a weight with which a network computes by itself: `x + self.token.value`.

    In Keras it is a weight that a layer of the user's own has by `add_weight`. Torch's is an
    `nn.Parameter` of the network; as a module it has a place among the layers, so that its initial
    values are drawn in Keras's order, and rules find it.

    Args:
        shape: of the weight.

    Attributes:
        value: the weight, zeros at first.
    """

    value: nn.Parameter

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(tuple(shape)))

    def forward(self, *inputs: Any) -> torch.Tensor:
        """Returns the weight, whatever it is given."""
        return self.value

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{tuple(self.value.shape)}"
