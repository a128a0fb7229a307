"""TwinPenalty: the penalties of a twin, as a loss adds them, and what a training leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch_impl.keras_config.model import KerasModel


class TwinPenalty:
    """The penalties of a twin's layers, by the regularisers in the config.

        criterion = RegularizedLoss(losses.MeanSquaredError(), twin.penalty)

    Penalties of outputs are those of the last call of the twin. Frozen weights have no penalty.

    Args:
        model: the twin.
    """

    def __init__(self, model: KerasModel) -> None:
        self.model = model

    def terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties, each a scalar: those of outputs first, as in Keras."""
        yield from self.model.output_terms
        yield from self.model.weight_terms()

    def __repr__(self) -> str:
        return f"TwinPenalty({', '.join(self.model.rules_by_layer())})"
