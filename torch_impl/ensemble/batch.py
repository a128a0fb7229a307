"""The batches of all runs as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from torch_impl.data import Batch


@dataclass(frozen=True)
class StackedBatch:
    """One batch of each of R runs.

    A `flow` shuffles its batches, so that the smaller one, the last of the samples, comes at
    another step in each run. It is then filled up with black images, which count for nothing.

    Attributes:
        x: (N, R * C, H, W) images in channels-last memory, the channels of a run side by side.
        y: (R, N) int64 labels.
        sizes: samples of each run, where they differ; None where all have N.
    """

    x: torch.Tensor
    y: torch.Tensor
    sizes: tuple[int, ...] | None = None

    def is_sample(self) -> torch.Tensor | None:
        """(R, N) bool: what is no filling; None where nothing is."""
        if self.sizes is None:
            return None
        numbers = torch.arange(self.y.shape[1], device=self.y.device)
        return numbers < torch.tensor(self.sizes, device=self.y.device)[:, None]


def stacked(batches: Sequence[Batch]) -> StackedBatch:
    """Puts the batches of all runs together.

    Args:
        batches: one of each run, of images of one shape, dtype and device.
    """
    sizes = tuple(len(batch.y) for batch in batches)
    most = max(sizes)
    images = [batch.x.permute(0, 2, 3, 1) for batch in batches]
    labels = [batch.y for batch in batches]
    is_even = len(set(sizes)) == 1
    if not is_even:
        images = [F.pad(part, (0,) * 7 + (most - len(part),)) for part in images]
        labels = [F.pad(part, (0, most - len(part))) for part in labels]
    x = torch.stack(images, dim=3).flatten(3).permute(0, 3, 1, 2)
    return StackedBatch(x, torch.stack(labels), None if is_even else sizes)
