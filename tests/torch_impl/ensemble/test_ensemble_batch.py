"""Batches of several runs are put together without a change of a pixel."""

import pytest
import torch

from torch_impl.data import Batch
from torch_impl.ensemble.batch import stacked


def batch_of(number, size):
    """Images that tell their run, in channels-last memory as those of a run."""
    images = torch.arange(size * 3 * 4 * 5, dtype=torch.float32) + 1000 * number
    images = images.reshape(size, 4, 5, 3).permute(0, 3, 1, 2)
    return Batch(images, torch.arange(size) + 10 * number, torch.arange(size), None)


@pytest.mark.parametrize("sizes", [(6, 6), (6, 2), (1, 6), (3,)])
def test_every_run_has_its_images_and_labels(sizes):
    batches = [batch_of(number, size) for number, size in enumerate(sizes, start=1)]
    found = stacked(batches)
    assert found.x.shape == (max(sizes), 3 * len(sizes), 4, 5)
    assert found.x.is_contiguous(memory_format=torch.channels_last)
    for number, (batch, size) in enumerate(zip(batches, sizes, strict=True)):
        images = found.x[:, 3 * number : 3 * number + 3]
        assert torch.equal(images[:size], batch.x)
        assert torch.equal(found.y[number, :size], batch.y)
        assert images[size:].count_nonzero() == 0


def test_what_is_filling_is_told():
    even, uneven = (stacked([batch_of(1, 3), batch_of(2, size)]) for size in (3, 1))
    assert even.sizes is None
    assert even.is_sample() is None
    assert uneven.sizes == (3, 1)
    assert uneven.is_sample().tolist() == [[True, True, True], [True, False, False]]
