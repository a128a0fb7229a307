"""What mypy knows of the batches; `test_augment_flows` runs mypy on this file, and runs it."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from torch.utils.data import DataLoader

from torch_impl import KerasSeeds
from torch_impl.augment import AugmentedDataset, FitFlow, ImageDataGenerator

Pair = tuple[torch.Tensor, torch.Tensor]


def in_memory() -> None:
    """Of `flow`: images alone, with labels, with labels and weights, with further inputs."""
    seeds = KerasSeeds(1)
    made = ImageDataGenerator(data_format="channels_first", random_state=seeds.numpy)
    x, y, weights = torch.rand(4, 1, 8, 8), np.arange(4), torch.ones(4)
    for images in made.flow(x, batch_size=2):
        assert_type(images, torch.Tensor)
    for images, labels in made.flow(x, y, 2, False, seed=1):
        assert_type(images, torch.Tensor)
        assert_type(labels, torch.Tensor)
    assert_type(made.flow(x, y)[0], Pair)
    assert_type(next(made.flow(x, y)), Pair)
    assert_type(
        made.flow(x, y, sample_weight=weights)[0], tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    )
    assert_type(made.flow((x, weights), y)[0], Any)
    flow = made.flow(x, y)
    for batch in FitFlow(flow, seeds):
        assert_type(batch, Pair)
    assert_type(AugmentedDataset(flow)[0], Pair)
    for batch in DataLoader(AugmentedDataset(flow)):
        assert isinstance(batch, tuple | list)


def of_files(folder: Path) -> None:
    """Of `flow_from_directory`: labels, or none."""
    made = ImageDataGenerator()
    assert_type(made.flow_from_directory(folder, (8, 8))[0], Pair)
    assert_type(made.flow_from_directory(folder, (8, 8), class_mode="sparse")[0], Pair)
    assert_type(made.flow_from_directory(folder, (8, 8), class_mode=None)[0], torch.Tensor)
