"""The mask that Keras gives to what code of the user's returns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Row


class MaskedBy(nn.Module):
    """Returns a tensor, whose mask is another one; the network around it gives masks on."""

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns the first of (tensor, mask)."""
        return inputs[0]

    def compute_mask(self, inputs: Sequence[torch.Tensor], mask: object) -> torch.Tensor:
        """Returns the second one."""
        return inputs[1]


ROWS: dict[str, Row] = {"MaskedBy": lambda entry: Planned(MaskedBy)}
