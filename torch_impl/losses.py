"""Losses by Keras's rules."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class SparseCategoricalCrossentropy(nn.Module):
    """What Keras minimises: the mean crossentropy, plus the L2 penalties of the kernels.

        loss = mean(-log softmax(logits)[y]) + l2 * sum over kernels of sum(w * w)

    Differs from torch.nn.CrossEntropyLoss with the weight_decay of a torch optimizer in:
    1. the penalty belongs to the loss: it is part of every loss that is reported, and its gradient,
       2 * l2 * w, passes through the moments of Adam;
    2. kernels only, no biases;
    3. l2 is rounded to float32, in float64 runs too (`tf.cast` of a Python float).

    Source: keras 3.15 `regularizers/regularizers.py`, `trainers/trainer.py` (`compute_loss`).

    Args:
        model: whose kernels are penalised.
        l2: factor, at least 0.
    """

    def __init__(self, model: nn.Module, l2: float = 0.0) -> None:
        super().__init__()
        self.l2 = float(np.float32(l2))  # (3)
        # A list of tensors, not of parameters: they belong to the model.
        self._kernels = [
            layer.weight
            for layer in model.modules()
            if l2 and isinstance(layer, nn.Conv2d | nn.Linear)  # (2)
        ]

    def forward(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Returns the loss of a batch.

        Args:
            logits: (N, classes).
            y: (N,) int64 labels.
        """
        loss = F.cross_entropy(logits, y)
        for kernel in self._kernels:
            loss = loss + self.l2 * kernel.square().sum()  # (1)
        return loss
